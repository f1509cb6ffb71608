"""The on-chain programs that exchange tokens: quotes and swap instructions, to the atom."""
