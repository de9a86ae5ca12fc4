"""Differences on purpose in functions on plain configurations, and the difference that all have in common."""

from against_qlib.calls import CALLS
from against_qlib.difference import VALUE, Difference
from against_qlib.plain import same

LONGER = "<a> and more"


def keys_are_flat(case, theirs, ours):
    flat = {flattened(key): value for key, value in theirs.items()}
    return case.args["options"]["tuples"] and same(flat, ours)


def flattened(key):
    if not isinstance(key, tuple) or key == ("p", "q"):
        return key
    parts = [flattened(part) if isinstance(part, tuple) and part != ("p", "q") else (part,) for part in key]
    return tuple(part for group in parts for part in group)


def an_empty_key_is_lost(case, theirs, ours):
    """The values are the same, in the same order."""
    return any(key in case.args["d"] for key in ("", 0)) and same(list(theirs.values()), list(ours.values()))


def texts_of(value):
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ():
        yield from texts_of(item)


def some_text_begins_with_a_placeholder(case, *_):
    return LONGER in texts_of(case.args["config"])


def odd_places(theirs, ours, *, in_tuple=False):
    """What stands where two configurations differ, and whether that is in a tuple."""
    if same(theirs, ours):
        return
    if isinstance(theirs, dict) and isinstance(ours, dict) and list(theirs) == list(ours):
        theirs, ours = list(theirs.values()), list(ours.values())
    if isinstance(theirs, list | tuple) and type(theirs) is type(ours) and len(theirs) == len(ours):
        for one, other in zip(theirs, ours, strict=True):
            yield from odd_places(one, other, in_tuple=in_tuple or isinstance(ours, tuple))
    else:
        yield theirs, ours, in_tuple


def because(wanted):
    """All places that differ do so for a known reason, one of them for the wanted one."""

    def reason(theirs, ours, in_tuple):
        left = isinstance(theirs, str) and theirs.startswith("<")
        return "tuple" if in_tuple else "longer" if ours == LONGER else "chain" if left else None

    def when(_, theirs, ours):
        reasons = {reason(*place) for place in odd_places(theirs, ours)}
        return wanted in reasons and None not in reasons

    return when


def a_reference_leads_nowhere(_, __, ours):
    return "leads nowhere" in ours["text"] or "refers to itself" in ours["text"]


CONFIG_DIFFERENCES = (
    Difference(
        "flat-tuples",
        ("flatten_dict",),
        VALUE,
        VALUE,
        "Tuple keys are flat, as Qlib's documentation says; its code nests them.",
        keys_are_flat,
    ),
    Difference(
        "empty-keys-stay",
        ("flatten_dict",),
        VALUE,
        VALUE,
        "An empty text and a zero are parts of a path; Qlib loses them.",
        an_empty_key_is_lost,
    ),
    Difference(
        "keys-that-are-no-texts",
        ("flatten_dict",),
        "TypeError",
        VALUE,
        "A key that is no text is spelt out.",
        lambda case, *_: any(not isinstance(key, str) for key in case.args["d"]),
    ),
    Difference(
        "keys-that-collide",
        ("flatten_dict",),
        VALUE,
        "InstantiationError",
        "Two values for one key are an error; Qlib keeps the last.",
        lambda case, *_: "p.q" in case.args["d"],
    ),
    Difference(
        "references-that-lead-nowhere",
        ("fill_placeholder",),
        VALUE,
        "InstantiationError",
        "A reference into the configuration that leads nowhere, or to itself, is an error; Qlib leaves the text for the "
        "model to fail on.",
        a_reference_leads_nowhere,
    ),
    Difference(
        "placeholders-in-tuples",
        ("fill_placeholder",),
        VALUE,
        VALUE,
        "Tuples are looked into.",
        because("tuple"),
    ),
    Difference(
        "placeholders-are-whole-texts",
        ("fill_placeholder",),
        VALUE,
        VALUE,
        "A text that only begins with a placeholder stays; Qlib replaces all of it.",
        because("longer"),
    ),
    Difference(
        "references-to-references",
        ("fill_placeholder",),
        VALUE,
        VALUE,
        "What a reference leads to is resolved first; in Qlib that depends on the order of the keys.",
        because("chain"),
    ),
    Difference(
        "structures-within-themselves",
        ("fill_placeholder",),
        "RecursionError",
        VALUE,
        "Qlib puts the referred dictionary itself in place, even into itself, without end.",
        some_text_begins_with_a_placeholder,
    ),
    Difference(
        "numbers-of-samples",
        ("TSDataSampler, one window",),
        "KeyError",
        "IndexError",
        "A sampler is a sequence: a number past its end is an `IndexError`.",
    ),
    Difference(
        "typed-errors",
        tuple(CALLS),
        "Exception",
        "RollforwardError",
        "Both refuse, with another class: rollforward's says what is wrong, Qlib's is the builtin that happened.",
    ),
)
