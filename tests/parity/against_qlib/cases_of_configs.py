"""Cases of the functions that work on plain configurations."""

KEYS = ("a", "b", "c", "dataset", "0")
VALUES = (1, 2.5, "text", None, True, [1, 2], (3, "x"), "")
REFERENCES = (
    "<a>",
    "<dataset.kwargs.segments.train.0>",
    "<dataset.kwargs.segments.test.1>",
    "<MODEL>",
    "<DATASET>",
    "<dataset.kwargs.nothing>",
    "<elsewhere.x>",
    "<b.c>",
    "<c.0>",
    "<a> and more",
    "< spaced >",
    "<>",
    "a < b",
)


def flatten(rng, _):
    d = nested(rng, 0)
    if rng.random() < 0.1:
        d[rng.choice([0, 7, ("p", "q"), ""])] = {"x": {"y": 1}}
    if rng.random() < 0.05:
        d |= {"p.q": 1, "p": {"q": 2}}
    options = {"tuples": rng.random() < 0.4}
    return {"d": d, "options": options | ({"parent_key": "root"} if rng.random() < 0.1 else {})}


def placeholders(rng, _):
    segments = {"train": ("2010-01-01", "2015-01-01"), "test": ["2016-01-01", "2017-01-01"]}
    config = nested(rng, 0) | {"dataset": {"kwargs": {"segments": segments, "more": sprinkled(rng)}}}
    config |= {key: sprinkled(rng) for key in ("a", "b", "model") if rng.random() < 0.7}
    if rng.random() < 0.1:
        config |= {"a": "<b.c>", "b": {"c": rng.choice(REFERENCES[:5])}}
    if rng.random() < 0.04:
        config["a"] = {"x": "<a> and more"}
    extend = {"<MODEL>": "a model", "<DATASET>": {"live": [1]}} if rng.random() < 0.8 else {}
    if rng.random() < 0.03:
        extend["MODEL"] = 1
    return {"config": config, "extend": extend}


def sprinkled(rng):
    """Something with placeholders in it."""
    text = rng.choice(REFERENCES if rng.random() < 0.5 else REFERENCES[:5])
    some = [text, {"x": text, "y": [text, 1]}, [text, {"z": text}], {"c": text}, {"c": "plain"}, ["first"]]
    return rng.choice([*some, (text, 1)] if rng.random() < 0.5 else some)


def merged(rng, _):
    extension = nested(rng, 0)
    if rng.random() < 0.5:
        extension[rng.choice(KEYS)] = "__DROP__"
    return {"base": nested(rng, 0), "extension": [extension, nested(rng, 1)] if rng.random() < 0.3 else extension}


def hashed(rng, _):
    return {"args": [nested(rng, 1) for _ in range(rng.randint(0, 3))]}


def nested(rng, depth):
    made = {}
    for key in rng.sample(KEYS, rng.randint(0, 3)):
        made[key] = nested(rng, depth + 1) if depth < 3 and rng.random() < 0.5 else rng.choice(VALUES)
    return made


CASES = {
    "flatten_dict": (200, flatten),
    "fill_placeholder": (300, placeholders),
    "update_config": (150, merged),
    "hash_args": (60, hashed),
}
