"""Custom resources of Dolmen as typed models, with the pure functions that belong to them. Without I/O."""
