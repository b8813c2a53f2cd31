"""Where the store of this machine's service is."""

from service.local.errors import NoStore
from service.local.lock import holder_of
from service.settings import Settings


def store_address(settings: Settings) -> str:
    """Address of the store: the one the settings name, else that of the `vills up` that serves the data folder.

    Raises:
        NoStore: neither is there.
    """
    if settings.redis_url is not None:
        return settings.redis_url
    holder = holder_of(settings.data_dir)
    if holder is None:
        raise NoStore(
            f"this needs the store, VILLS_REDIS_URL names none and no `vills up` serves {settings.data_dir}: "
            "start `vills up`, or set VILLS_DATA_DIR or VILLS_REDIS_URL to where the service runs"
        )
    return holder.redis_url
