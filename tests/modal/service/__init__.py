"""The tests' own Modal."""

from tests.modal.service.service import Modal

__all__ = ["Modal"]
