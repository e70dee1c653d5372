"""Metadata in Cassandra 5: truth by light-weight transactions, lists from a table of their own, both equally strong."""
