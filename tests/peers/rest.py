#!/usr/bin/env python3
"""The REST API by a client of the original: `postgrest` for Python, as it is published, creates, finds, changes and
removes what a tenant has, and is told what is wrong where something is.

    pip install 'postgrest>=2'
    datacovey up &
    python tests/peers/rest.py --token "$(datacovey token --tenant 'Skyward Alliance')"

Prints what it was answered, and ends with 1 at the first answer that is not the one that clients count on.
"""

import argparse
import uuid

from postgrest import APIError, SyncPostgrestClient


def refused(code, ask):
    try:
        answer = ask()
    except APIError as error:
        assert error.code == code, (error.code, error.message)
        assert error.message
        return error
    raise AssertionError(f"{answer} in place of {code}")


def said(what, answer):
    print(f"{what}: {answer}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--endpoint", default="http://127.0.0.1:8080")
    arguments.add_argument("--token", required=True)
    arguments = arguments.parse_args()
    headers = {"Authorization": f"Bearer {arguments.token}"}
    api = SyncPostgrestClient(arguments.endpoint, schema="api", headers=headers)

    tenant = api.from_("tenant").select("id", "name").single().execute().data
    said("tenant", tenant["name"])
    mark = uuid.uuid4().hex[:8]
    ours = f"%{mark}%"

    def project(name, **more):
        return {"tenant_id": tenant["id"], "name": f"{name} {mark}", **more}

    made = api.from_("project").insert([
        project("Reach", description="a, b. (c)"),
        project("Overlap", description=None),
        project("Churn", description="churn \"quoted\""),
    ]).execute().data
    assert [it["name"].split()[0] for it in made] == ["Reach", "Overlap", "Churn"], made
    assert all(it["id"] and it["created_at"] and it["archived_at"] is None for it in made)
    said("inserted", len(made))

    listed = api.from_("project").select("name,about:description", count="exact").like("name", ours).order("name").execute()
    assert [it["name"].split()[0] for it in listed.data] == ["Churn", "Overlap", "Reach"], listed
    assert listed.count == 3 and listed.data[0]["about"] == "churn \"quoted\"", listed
    page = api.from_("project").select("name", count="exact").like("name", ours).order("name", desc=True).range(1, 1).execute()
    assert (page.count, [it["name"].split()[0] for it in page.data]) == (3, ["Overlap"]), page
    said("a page of", page.count)

    def names(query):
        return sorted(it["name"].split()[0] for it in query.like("name", ours).execute().data)

    def projects():
        return api.from_("project").select("name")

    ids = [it["id"] for it in made]
    assert names(projects().in_("id", ids[:2])) == ["Overlap", "Reach"]
    assert names(projects().is_("description", "null")) == ["Overlap"]
    assert names(projects().not_.is_("description", "null")) == ["Churn", "Reach"]
    assert names(projects().eq("description", "a, b. (c)")) == ["Reach"]
    assert names(projects().or_(f"id.eq.{ids[0]},description.is.null")) == ["Overlap", "Reach"]
    assert names(projects().ilike("name", "%CHURN%")) == ["Churn"]
    assert names(projects().neq("id", ids[0]).gte("created_at", "2020-01-01")) == ["Churn", "Overlap"]

    one = api.from_("project").select("*").eq("id", ids[0]).single().execute().data
    assert one == made[0], (one, made[0])
    assert api.from_("project").select("*").eq("id", str(uuid.uuid4())).maybe_single().execute() is None
    error = refused("PGRST116", lambda: api.from_("project").select("*").like("name", ours).single().execute())
    said("single", error.details)

    csv = api.from_("project").select("name,description").eq("id", ids[0]).csv().execute().data
    assert csv == f'name,description\n"Reach {mark}","a, b. (c)"', csv
    said("csv", csv.splitlines()[1])

    datasets = api.from_("dataset").insert([
        {"tenant_id": tenant["id"], "project_id": ids[0], "name": name} for name in (f"b_{mark}", f"a_{mark}")
    ]).execute().data
    schema = {"type": "object", "properties": {"email": {"type": "string"}}}
    table = {"tenant_id": tenant["id"], "dataset_id": datasets[0]["id"], "name": "people", "schema": schema}
    table = api.from_("table").insert(table).execute().data[0]
    assert table["schema"] == schema, table
    within = (
        api.from_("project").select("name,dataset(name,table(name,kind:schema->>type))").eq("id", ids[0])
        .order("name", foreign_table="dataset").single().execute().data
    )
    assert within == {
        "name": f"Reach {mark}",
        "dataset": [
            {"name": f"a_{mark}", "table": []},
            {"name": f"b_{mark}", "table": [{"name": "people", "kind": "object"}]},
        ],
    }, within
    above = api.from_("table").select("name,dataset!inner(name,...project(of:name))").eq("id", table["id"]).execute().data
    assert above == [{"name": "people", "dataset": {"name": f"b_{mark}", "of": f"Reach {mark}"}}], above
    said("embedded", above[0]["dataset"])

    changed = {**project("Reach"), "id": ids[0], "description": "merged"}
    fresh = {**project("Lift"), "id": str(uuid.uuid4()), "description": "new"}
    merged = api.from_("project").upsert([changed, fresh], on_conflict="id").execute().data
    assert sorted(it["description"] for it in merged) == ["merged", "new"], merged
    ignored = api.from_("project").upsert([changed], ignore_duplicates=True).execute().data
    assert ignored == [], ignored
    ids.append(fresh["id"])

    updated = api.from_("project").update({"description": "both"}, count="exact").in_("id", ids[1:3]).execute()
    assert updated.count == 2 and {it["description"] for it in updated.data} == {"both"}, updated
    said("updated", updated.count)
    silent = api.from_("project").update({"description": "quiet"}, returning="minimal").eq("id", ids[1]).execute()
    assert silent.data == [], silent
    refused("PGRST124", lambda: api.from_("project").update({"description": "x"}).in_("id", ids).max_affected(1).execute())
    assert not names(projects().eq("description", "x"))

    said("no such relation", refused("PGRST205", lambda: api.from_("projects").select("*").execute()).hint)
    refused("42703", lambda: api.from_("project").select("nope").execute())
    refused("22P02", lambda: api.from_("project").select("*").eq("id", "x").execute())
    refused("PGRST204", lambda: api.from_("project").insert({"nope": 1}).execute())
    refused("23505", lambda: api.from_("project").insert(changed).execute())
    nobody = SyncPostgrestClient(arguments.endpoint, schema="api", headers={})
    refused("PGRST302", lambda: nobody.from_("project").select("*").execute())
    forged = SyncPostgrestClient(arguments.endpoint, schema="api", headers={"Authorization": "Bearer a.b"})
    said("forged", refused("PGRST301", lambda: forged.from_("project").select("*").execute()).message)

    for relation, rows in [("table", [table]), ("dataset", datasets)]:
        gone = api.from_(relation).delete(count="exact").in_("id", [it["id"] for it in rows]).execute()
        assert gone.count == len(rows), gone
    gone = api.from_("project").delete(count="exact").in_("id", ids).execute()
    assert gone.count == 4 and {it["id"] for it in gone.data} == set(ids), gone
    said("deleted", gone.count)


if __name__ == "__main__":
    main()
