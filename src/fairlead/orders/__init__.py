"""What an order is and how it lives: values and decisions, no side effects."""
