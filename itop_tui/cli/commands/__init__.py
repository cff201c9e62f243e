"""The commands of `itop`, each module imported only when one of its commands is run."""
