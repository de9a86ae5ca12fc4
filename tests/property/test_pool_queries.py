"""A query finds the same on SQLite as on a real MongoDB server, which is the oracle."""

import json
import re
import sqlite3
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollforward.errors import PoolQueryError
from rollforward.workflow.task.store.plain import plain
from rollforward.workflow.task.store.query import parse, to_mongo
from rollforward.workflow.task.store.sql import Clause

KEYS = st.sampled_from(["a", "b", "0", "1", "k'y", 'q"', "x y", "ü", "d.t"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([2**53 + 1, -(2**62)]),
    st.sampled_from([0.5, 1.0, -1.5, 1e300]),
    st.sampled_from(["", "a", "A", "ab", "1", "x\ny", "ü", "\0"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
PARTS = st.sampled_from(["a", "b", "0", "1", "k'y", 'q"', "x y", "ü", "d\uff0et"])
FIELDS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: ".".join(["filter", *parts]))
LISTS = st.lists(st.one_of(LEAVES, st.lists(LEAVES, max_size=2)), max_size=3)
ORDERED = LEAVES.filter(lambda value: value is not None)
OPERATIONS = st.one_of(
    st.one_of(LEAVES, LISTS),
    st.tuples(st.sampled_from(["$eq", "$ne"]), st.one_of(LEAVES, LISTS)).map(lambda pair: dict([pair])),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED).map(lambda pair: dict([pair])),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(st.one_of(LEAVES, LISTS), max_size=4)).map(
        lambda pair: dict([pair])
    ),
    st.booleans().map(lambda flag: {"$exists": flag}),
    st.tuples(st.sampled_from(["^a", "b$", "A", "", "x.y", "[aü]"]), st.sampled_from(["", "i", "s", "is"])).map(
        lambda pair: {"$regex": pair[0], "$options": pair[1]}
    ),
    st.just(re.compile("^A", re.IGNORECASE)),
    st.tuples(st.integers(-2, 2), st.integers(-2, 2)).map(lambda ends: {"$gte": ends[0], "$lt": ends[1]}),
)
SIMPLE = st.dictionaries(FIELDS, OPERATIONS, min_size=1, max_size=2)
QUERIES = st.recursive(
    SIMPLE,
    lambda inner: st.tuples(st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3)).map(
        lambda pair: dict([pair])
    ),
    max_leaves=3,
)


@pytest.fixture(scope="module")
def oracle(mongod):
    import pymongo

    with pymongo.MongoClient(mongod.url) as client:
        database = client[f"oracle_{uuid.uuid4().hex[:8]}"]
        yield database["documents"]
        client.drop_database(database.name)


@pytest.fixture(scope="module")
def tables():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE body (seq INTEGER PRIMARY KEY, filter TEXT)")
    yield connection
    connection.close()


def on_sqlite(connection, documents, query):
    connection.execute("DELETE FROM body")
    rows = [(number, json.dumps(document, ensure_ascii=False)) for number, document in enumerate(documents)]
    connection.executemany("INSERT INTO body VALUES (?, ?)", rows)
    clause = Clause(parse(query))
    clause.define(connection)
    found = connection.execute(f"SELECT seq FROM body WHERE {clause.sql} ORDER BY seq", clause.parameters)  # noqa: S608
    return [row[0] for row in found]


def on_mongo(collection, documents, query):
    collection.delete_many({})
    collection.insert_many([{"_id": number, "filter": document} for number, document in enumerate(documents)])
    found = collection.find(to_mongo(parse(query), str), {"_id": 1}).sort("_id")
    return [document["_id"] for document in found]


@given(st.lists(DOCUMENTS, min_size=1, max_size=5), QUERIES)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_query_finds_the_same_on_both(oracle, tables, documents, query):
    plains = [plain(document) for document in documents]

    assert on_sqlite(tables, plains, query) == on_mongo(oracle, plains, query)


@given(st.lists(st.one_of(LEAVES, st.just([])), max_size=4), OPERATIONS)
@settings(max_examples=80, deadline=None)
def test_a_condition_on_one_field_finds_the_same_on_both(oracle, tables, values, operation):
    documents = [plain({"a": value}) for value in values] + [{}, {"a": values}, {"a": [{"a": 1}, values]}]
    for field in ("filter.a", "filter.a.a", "filter.a.0"):
        query = {field: operation}

        assert on_sqlite(tables, documents, query) == on_mongo(oracle, documents, query)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"$where": "1"}, "$where"),
        ({"$nor": [{"status": "done"}]}, "$nor"),
        ({"filter.a": {"$size": 1}}, "$size"),
        ({"filter.a": {"$elemMatch": {"b": 1}}}, "$elemMatch"),
        ({"filter.a": {"$not": {"$gt": 1}}}, "$not"),
        ({"filter.a": {"$options": "i"}}, "$options"),
        ({"filter.a": {"$regex": "(", "$options": ""}}, "$regex"),
        ({"filter.a": {"$regex": "a", "$options": "u"}}, "$options"),
        ({"filter.a": {"$gt": None}}, "$gt"),
        ({"filter.a": {"$in": "abc"}}, "$in"),
        ({"filter.a": {"b": 1}}, "filter.a.<part>"),
        ({"filter.a": [{"b": 1}]}, "filter.a"),
        ({"filter.": 1}, "filter."),
        ({"filter": 3}, "filter"),
        ({"model.class": 1}, "filter.model.class"),
        ({"stauts": "done"}, "status"),
        ({"_id": "abc"}, "abc"),
        ({"_id": {"$regex": "a"}}, "$regex"),
        ({"$and": []}, "$and"),
        ({"$or": {"status": "done"}}, "$or"),
        ("status", "str"),
    ],
)
def test_what_is_not_supported_is_named(query, named):
    with pytest.raises(PoolQueryError, match=re.escape(named)):
        parse(query)
