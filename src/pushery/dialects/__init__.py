"""What clients and backends say. A dialect turns requests and messages, as values, into effects; it does no I/O."""
