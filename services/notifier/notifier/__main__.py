"""`python -m notifier`: the service's process."""

if __name__ == "__main__":  # the child for templates loads this module under another name
    import shared.service.importing  # noqa: F401  # before what takes long
    from notifier.main import build, couriers
    from notifier.settings import Settings
    from shared.service.server import run

    run("notifier", Settings, lambda settings: build(settings, couriers(settings)).app())
