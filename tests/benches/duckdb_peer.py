"""The peer of the benchmarks of data: makes the files, and times statements over them.

    duckdb_peer.py reach FOLDER CUSTOMERS IMPRESSIONS
    duckdb_peer.py people FOLDER ROWS
    duckdb_peer.py time FOLDER THREADS ROUNDS SQL     prints {"seconds": median, "peak_kib": …, "rows": …}

In the SQL, a file is named by its path relative to FOLDER.
"""

import json
import os
import statistics
import sys
import time

import duckdb


def reach(folder, customers, impressions):
    # Everybody has one row in customers; of those who saw a campaign, about five in eight are customers.
    def write(name, query):
        duckdb.sql(f"COPY ({query}) TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION snappy)")

    write(
        "customers",
        f"""SELECT 'person-' || hash(n) || '@example.com' AS email,
                   'city-' || lpad((hash(n, 1) % 450)::VARCHAR, 3, '0') AS city,
                   (18 + hash(n, 2) % 70)::BIGINT AS age,
                   round((hash(n, 3) % 100000) / 100.0, 2)::DOUBLE AS spend
            FROM range({customers}) AS t(n)""",
    )
    write(
        "impressions",
        f"""SELECT 'person-' || hash((hash(n, 4) % {customers * 8 // 5})::BIGINT) || '@example.com' AS email,
                   'campaign-' || lpad((hash(n, 5) % 50)::VARCHAR, 2, '0') AS campaign
            FROM range({impressions}) AS t(n)""",
    )


def people(folder, rows):
    query = f"""SELECT 'person-' || (n * 7919) || '@example.com' AS email,
                       'city-' || lpad((hash(n, 1) % 450)::VARCHAR, 3, '0') AS city,
                       (18 + hash(n, 2) % 70)::BIGINT AS age,
                       round((hash(n, 3) % 100000) / 100.0, 2)::DOUBLE AS spend,
                       DATE '2024-01-01' + (hash(n, 4) % 700)::INT AS day
                FROM range({rows}) AS t(n)"""
    duckdb.sql(f"COPY ({query}) TO '{folder}/people.parquet' (FORMAT parquet, COMPRESSION zstd)")
    duckdb.sql(f"COPY (FROM '{folder}/people.parquet') TO '{folder}/people.csv' (FORMAT csv, HEADER)")
    duckdb.sql(f"COPY (FROM '{folder}/people.parquet') TO '{folder}/people.ndjson' (FORMAT json)")


def measure(folder, threads, rounds, sql):
    os.chdir(folder)
    db = duckdb.connect(config={"threads": threads})
    took = []
    for _ in range(rounds):
        since = time.perf_counter()
        rows = db.sql(sql).fetchall()
        took.append(time.perf_counter() - since)
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": statistics.median(took), "peak_kib": int(peak), "rows": len(rows)}))


if __name__ == "__main__":
    what, folder, *rest = sys.argv[1:]
    if what == "reach":
        reach(folder, int(rest[0]), int(rest[1]))
    elif what == "people":
        people(folder, int(rest[0]))
    else:
        measure(folder, int(rest[0]), int(rest[1]), rest[2])
