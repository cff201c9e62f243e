"""`RunConfig`, and all that is known of a run without torch."""

from collections.abc import Iterable

from db import declared_settings


def _settings() -> Iterable[declared_settings.DeclaredSetting]:
    from engine.config.field_info import setting_declarations  # when needed: pydantic takes a while to import

    return setting_declarations()


# Here, so that queries know the settings by name wherever anything of this package is imported.
declared_settings.declare(_settings)
