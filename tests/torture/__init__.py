"""The whole engine as real processes, broken on purpose for minutes; then its books are checked."""
