"""A network and the photos beside it take turns on the processor; on another device nobody waits."""

import threading

from facematch.cores import every_core, wait_for_a_core


def waits(held_for: str) -> bool:
    """Whether a photo's thread waits while a computation on a device is under way, and goes on after it."""
    begun = threading.Event()

    def photo() -> None:
        wait_for_a_core()
        begun.set()

    with every_core(held_for):
        thread = threading.Thread(target=photo)
        thread.start()
        waited = not begun.wait(0.2)
    thread.join(timeout=60)
    assert begun.is_set()
    return waited


def test_photos_wait_for_a_network_on_the_processor_only() -> None:
    assert waits("cpu")
    assert not waits("cuda")


def test_photos_do_not_wait_for_each_other() -> None:
    wait_for_a_core()
    wait_for_a_core()
