"""What happened to one order, for people: time, who, what. Not a log: only what bears on it."""

from collections.abc import Sequence

from fairlead.sim.world import Told

MOST_LINES = 80
BEFORE_S = 1.0
"""What befell the world is told from so long before the order came."""

_ABOUT_ALL = frozenset({"cluster", "world"})


def story_of(told: Sequence[Told], order_id: str) -> str:
    """The lines that bear on this order; without one, what befell the world."""
    own = [each for each in told if each.order_id == order_id] if order_id else []
    actors = {each.who for each in own}
    first_s = own[0].at_s - BEFORE_S if own else 0.0
    last_s = own[-1].at_s if own else float("inf")

    def bears(each: Told) -> bool:
        if order_id and each.order_id == order_id:
            return True
        is_about_all = not each.order_id and (each.who in _ABOUT_ALL or each.who in actors)
        return is_about_all and first_s <= each.at_s <= last_s

    lines = [_line(each) for each in told if bears(each)]
    if len(lines) > MOST_LINES:
        left_out = len(lines) - MOST_LINES
        lines = [*lines[: MOST_LINES // 4], f"… {left_out} lines …", *lines[-3 * MOST_LINES // 4 :]]
    title = f"order {order_id}" if order_id else "no order in particular"
    return "\n".join([title, *lines])


def _line(told: Told) -> str:
    return f"{told.at_s:9.3f} s  {told.who:<9} {told.what}"
