#!/usr/bin/env python3
"""Arrow Flight by a stranger: pyarrow.flight puts rows into a table and gets them back, from the table and from a
query, and is told what is wrong where something is.

    pip install pyarrow grpcio grpcio-reflection duckdb
    datacovey up --data-dir DIR &
    python tests/peers/flight.py --datacovey target/release/datacovey --data-dir DIR
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import time
import uuid

import pyarrow as pa
import pyarrow.flight as flight

from main_job import Suite

ROWS = 100_000
CATALOG = "datacovey.catalog.v1."
IMPORTS = "datacovey.transfer.v1.ImportService/"
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "city": {"type": ["string", "null"]},
        "note": {"type": "string"},
        "score": {"type": ["number", "null"]},
        "member": {"type": "boolean"},
        "born": {"type": ["string", "null"], "format": "date"},
        "at": {"type": "string", "format": "date-time"},
    },
    "required": ["id", "note", "member", "at"],
    "additionalProperties": False,
}


def rows(count, start=0):
    ids = range(start, start + count)
    midnight = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "city": pa.array([None if it % 11 == 0 else f"Town {it % 50}" for it in ids], pa.string()),
        "note": pa.array([f"note {it} " * (it % 5 + 1) for it in ids], pa.string()),
        "score": pa.array([None if it % 7 == 0 else it / 3 for it in ids], pa.float64()),
        "member": pa.array([it % 3 == 0 for it in ids], pa.bool_()),
        "born": pa.array([None if it % 13 == 0 else datetime.date(1950, 1, 1) + datetime.timedelta(days=it % 20000)
                          for it in ids], pa.date32()),
        "at": pa.array([midnight + datetime.timedelta(seconds=it) for it in ids], pa.timestamp("us", tz="UTC")),
    })


class Flights:
    """A Flight client of one caller. No handshake: the token goes with each call."""

    def __init__(self, endpoint, token):
        self.client = flight.FlightClient(f"grpc://{endpoint}")
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        self.options = flight.FlightCallOptions(headers=headers, timeout=120)

    def put(self, descriptor, table, **chunks):
        """What came of it; a dictionary."""
        writer, reader = self.client.do_put(descriptor, table.schema, self.options)
        with writer:
            writer.write_table(table, **chunks)
            writer.done_writing()
            return json.loads(reader.read().to_pybytes())

    def info(self, descriptor):
        return self.client.get_flight_info(descriptor, self.options)

    def read(self, ticket):
        return self.client.do_get(ticket, self.options).read_all()

    def get(self, descriptor):
        info = self.info(descriptor)
        table = self.read(info.endpoints[0].ticket)
        assert table.num_rows == info.total_records, (table.num_rows, info.total_records)
        assert table.schema.equals(info.schema), (table.schema, info.schema)
        return table


def path(*names):
    return flight.FlightDescriptor.for_path(*names)


def command(**fields):
    return flight.FlightDescriptor.for_command(json.dumps(fields))


def same(sent, got):
    """Whether the rows are the same, whatever types of Arrow hold the text."""
    return got.select(sent.column_names).cast(sent.schema).sort_by("id").equals(sent.sort_by("id"))


def refused(what, kind, words, call):
    try:
        call()
    except kind as error:
        assert words in str(error), (what, str(error))
        first = str(error).splitlines()[0]
        print(f"{what}: {type(error).__name__}: {first[:150]}")
        return
    raise AssertionError(f"{what}: not refused")


def put_and_stay(endpoint, token, table):
    """Sends rows, and neither ends nor leaves."""
    flights = Flights(endpoint, token)
    writer, _ = flights.client.do_put(path("table", table), rows(0).schema, flights.options)
    writer.write_table(rows(ROWS), max_chunksize=10_000)
    print("sent", flush=True)
    time.sleep(600)


def until(what, happened):
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="127.0.0.1:8080")
    parser.add_argument("--datacovey", required=True)
    parser.add_argument("--data-dir", required=True)
    arguments = parser.parse_args()
    suite = Suite(arguments.endpoint)
    mark = uuid.uuid4().hex[:6]

    def token(tenant):
        command = [arguments.datacovey, "token", "--data-dir", arguments.data_dir, "--tenant", tenant]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    owner, stranger = token(f"Owner {mark}"), token(f"Stranger {mark}")
    project = suite.call(owner, CATALOG + "ProjectService/CreateProject", {"project": {"name": "Flights"}})["id"]
    dataset = suite.call(owner, CATALOG + "DatasetService/CreateDataset",
                         {"dataset": {"project_id": project, "name": "shop"}})["id"]
    table = suite.call(owner, CATALOG + "TableService/CreateTable",
                       {"table": {"dataset_id": dataset, "name": f"people_{mark}", "schema": SCHEMA}})["id"]
    name = f"shop.people_{mark}"
    flights = Flights(arguments.endpoint, owner)

    sent = rows(ROWS)
    began = time.monotonic()
    put = flights.put(path("table", table), sent)
    print(f"put: {put['rows_imported']} rows, {sent.nbytes} bytes in {time.monotonic() - began:.2f} s as one batch")
    assert put["rows_imported"] == ROWS and put["version"] == 1, put
    began = time.monotonic()
    got = flights.get(path("table", table))
    print(f"got: {got.num_rows} rows in {time.monotonic() - began:.2f} s, equal: {same(sent, got)}")
    assert same(sent, got)

    coded = sent.set_column(1, "city", sent["city"].dictionary_encode())
    put = flights.put(command(table=name, mode="replace"), coded, max_chunksize=7_000)
    assert put["rows_imported"] == ROWS and put["version"] == 2, put
    assert same(sent, flights.get(command(table=name)))
    some = flights.get(command(table=table, version=1, columns=["city", "id"]))
    assert some.column_names == ["city", "id"] and some.num_rows == ROWS
    print("put again by name, in place of the rows, in 15 batches with a dictionary; two columns of version 1 got: equal")
    put = flights.put(path("table", table), rows(0))
    assert put["rows_imported"] == 0, put

    asked = command(query=f"SELECT member, COUNT(*) AS n, MAX(id) AS last FROM {name} WHERE id < $below GROUP BY member",
                    project_id=project, parameters={"below": 3000})
    answer = sorted(flights.get(asked).to_pylist(), key=lambda row: row["member"])
    assert [(row["member"], row["n"]) for row in answer] == [(False, 2000), (True, 1000)], answer
    print("query:", answer)
    listed = list(flights.client.list_flights(options=flights.options))
    print("listed:", *sorted({it.endpoints[0].ticket.ticket.decode().split("/")[0] for it in listed}), len(listed))
    again = [it for it in listed if it.endpoints[0].ticket.ticket.startswith(b"query_job/")]
    assert flights.read(again[0].endpoints[0].ticket).num_rows == 2

    before = flights.get(path("table", table)).num_rows
    odd = pa.table({"id": pa.array(["x"]), "note": pa.array(["y"])})
    refused("another schema", pa.ArrowException, "failed", lambda: flights.put(path("table", table), odd))
    extra = rows(3).append_column("extra", pa.array([1, 2, 3]))
    refused("a column too many", pa.ArrowException, "extra", lambda: flights.put(path("table", table), extra))
    refused("no descriptor that is known", pa.ArrowException, "flight_descriptor",
            lambda: flights.put(path("view", table), sent))
    refused("a wrong command", pa.ArrowException, "violations",
            lambda: flights.put(command(table=table, mode="merge", speed=9), sent))
    refused("a table that is none", pa.ArrowException, "there is no table",
            lambda: flights.put(path("table", str(uuid.uuid4())), sent))
    refused("no ticket", pa.ArrowException, "ticket", lambda: flights.read(flight.Ticket("none")))

    other = Flights(arguments.endpoint, stranger)
    for it in (listed[0], again[0]):
        refused("the ticket of another tenant", pa.ArrowException, "there is no", lambda: other.read(it.endpoints[0].ticket))
    refused("the table of another tenant", pa.ArrowException, "there is no", lambda: other.put(path("table", table), sent))
    assert list(other.client.list_flights(options=other.options)) == []
    refused("no token", flight.FlightUnauthenticatedError, "no credentials",
            lambda: Flights(arguments.endpoint, None).read(flight.Ticket("query_job/x")))
    refused("basic authentication", flight.FlightUnauthenticatedError, "Bearer",
            lambda: flights.client.authenticate_basic_token("user", "password"))

    # Who dies half-way leaves nothing, and what was there stays.
    jobs = lambda: suite.call(owner, IMPORTS + "ListImportJobs", {"table_id": table, "page_size": 1000})["import_jobs"]
    done = {it["id"] for it in jobs()}
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys, flight; flight.put_and_stay(*sys.argv[1:])", arguments.endpoint, owner, table],
        cwd=pathlib.Path(__file__).parent, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "sent\n"
    until("an import waits for the rest", lambda: [it for it in jobs() if it["id"] not in done])
    child.kill()
    child.wait()
    until("it is given up", lambda: all(it["state"] in ("JOB_STATE_COMPLETED", "JOB_STATE_FAILED") for it in jobs()))
    [left] = [it for it in jobs() if it["id"] not in done]
    after = flights.get(path("table", table)).num_rows
    print(f"killed half-way: {left['state']}, {left['error']['reason']}; {before} rows before, {after} after")
    assert (left["state"], after) == ("JOB_STATE_FAILED", before), left
    print("all as expected")


if __name__ == "__main__":
    main()
