"""The paper chain: a pure state machine over transaction bytes."""
