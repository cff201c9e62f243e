"""`RunConfig`, and all that is known of a run without torch."""
