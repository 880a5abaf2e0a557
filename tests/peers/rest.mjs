// The REST API by a client of the original: `@supabase/postgrest-js`, as it is published, creates, finds, changes
// and removes what a tenant has, and is told what is wrong where something is.
//
// Needs Node 20 and a folder for one package:
//
//     npm install --prefix DIR @supabase/postgrest-js@2
//     cp tests/peers/rest.mjs DIR
//     node DIR/rest.mjs --endpoint http://127.0.0.1:8080 --token "$(datacovey token --tenant 'Skyward Alliance')"
//
// Prints what it was answered, and ends with 1 at the first answer that is not the one that clients count on.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";

import { PostgrestClient } from "@supabase/postgrest-js";

const { values } = parseArgs({
  options: { endpoint: { type: "string", default: "http://127.0.0.1:8080" }, token: { type: "string" } },
});
assert(values.token, "--token is missing");

const api = new PostgrestClient(values.endpoint, { headers: { authorization: `Bearer ${values.token}` } });
const said = (what, answer) => console.log(`${what}: ${answer}`);
const done = async (asking, status = 200) => {
  const answer = await asking;
  assert.equal(answer.error, null, JSON.stringify(answer.error));
  assert.equal(answer.status, status);
  return answer;
};
const refused = async (asking, status, code) => {
  const { error, status: got } = await asking;
  assert.deepEqual([got, error?.code], [status, code], JSON.stringify(error));
  return error;
};

const { data: tenant } = await done(api.from("tenant").select("id, name").single());
said("tenant", tenant.name);
const mark = randomUUID().slice(0, 8);
const ours = `%${mark}%`;
const project = (name, more = {}) => ({ tenant_id: tenant.id, name: `${name} ${mark}`, ...more });
const first = (rows) => rows.map((it) => it.name.split(" ")[0]);

const inserted = await done(
  api.from("project").insert([project("Reach", { description: "a, b. (c)" }), project("Overlap", { description: null }), project("Churn", { description: 'churn "quoted"' })]).select(),
  201,
);
const made = inserted.data;
assert.deepEqual(first(made), ["Reach", "Overlap", "Churn"]);
const ids = made.map((it) => it.id);
said("inserted", made.length);
await done(api.from("project").insert(project("Quiet", { id: ids[3] = randomUUID() })), 201);

// A part of what was counted is 206.
const page = await done(api.from("project").select("name", { count: "exact" }).like("name", ours).order("name").range(1, 2), 206);
assert.deepEqual([page.count, first(page.data)], [4, ["Overlap", "Quiet"]]);
const head = await done(api.from("project").select("*", { count: "exact", head: true }).like("name", ours));
assert.deepEqual([head.count, head.data], [4, null]);
await refused(api.from("project").select("*", { count: "exact" }).like("name", ours).range(9, 10), 416, "PGRST103");
said("a page of", page.count);

const projects = () => api.from("project").select("name").like("name", ours).order("name");
for (const [query, names] of [
  [projects().in("id", ids.slice(0, 2)), ["Overlap", "Reach"]],
  [projects().is("description", null), ["Overlap", "Quiet"]],
  [projects().not("description", "is", null), ["Churn", "Reach"]],
  [projects().eq("description", "a, b. (c)"), ["Reach"]],
  [projects().or(`id.eq.${ids[0]},and(description.is.null,name.like.Over*)`), ["Overlap", "Reach"]],
  [projects().ilike("name", "%CHURN%"), ["Churn"]],
  [projects().match({ id: ids[0], tenant_id: tenant.id }), ["Reach"]],
  [projects().textSearch("description", "quoted"), ["Churn"]],
  [projects().filter("name", "match", "^(Reach|Churn)"), ["Churn", "Reach"]],
  [projects().likeAnyOf("name", ["Reach%", "Quiet%"]), ["Quiet", "Reach"]],
  [projects().limit(1), ["Churn"]],
]) {
  assert.deepEqual(first((await done(query)).data), names);
}

assert.deepEqual((await done(api.from("project").select().eq("id", ids[0]).single())).data, made[0]);
assert.equal((await done(api.from("project").select().eq("id", randomUUID()).maybeSingle())).data, null);
said("single", (await refused(api.from("project").select().like("name", ours).single(), 406, "PGRST116")).details);
const { data: csv } = await done(api.from("project").select("name,description").eq("id", ids[0]).csv());
assert.equal(csv, `name,description\n"Reach ${mark}","a, b. (c)"`);
said("csv", csv.split("\n")[1]);

const datasets = (await done(
  api.from("dataset").insert(["b", "a"].map((it) => ({ tenant_id: tenant.id, project_id: ids[0], name: `${it}_${mark}` }))).select("id,name"),
  201,
)).data;
const schema = { type: "object", properties: { email: { type: "string" } } };
const { data: table } = await done(
  api.from("table").insert({ tenant_id: tenant.id, dataset_id: datasets[0].id, name: "people", schema }).select("id,schema,dataset(project(name))").single(),
  201,
);
assert.deepEqual([table.schema, table.dataset.project.name], [schema, `Reach ${mark}`]);
const { data: within } = await done(
  api.from("project").select("name,dataset(name,table(name,kind:schema->>type))").eq("id", ids[0])
    .order("name", { referencedTable: "dataset", ascending: false }).single(),
);
assert.deepEqual(within, {
  name: `Reach ${mark}`,
  dataset: [{ name: `b_${mark}`, table: [{ name: "people", kind: "object" }] }, { name: `a_${mark}`, table: [] }],
});
const inner = await done(api.from("project").select("name,dataset!inner(name)").eq("dataset.name", `a_${mark}`));
assert.deepEqual(inner.data, [{ name: `Reach ${mark}`, dataset: [{ name: `a_${mark}` }] }]);
said("embedded", within.dataset[0].name);

const changed = project("Reach", { id: ids[0], description: "merged" });
const fresh = project("Lift", { id: ids[4] = randomUUID(), description: "new" });
const merged = await done(api.from("project").upsert([changed, fresh]).select(), 201);
assert.deepEqual(merged.data.map((it) => it.description).sort(), ["merged", "new"]);
assert.deepEqual((await done(api.from("project").upsert([changed], { onConflict: "id" }).select())).data[0].description, "merged");
assert.deepEqual((await done(api.from("project").upsert([changed], { ignoreDuplicates: true }).select(), 201)).data, []);

const updated = await done(api.from("project").update({ description: "both" }, { count: "exact" }).in("id", ids.slice(1, 3)).select());
assert.deepEqual([updated.count, updated.data.map((it) => it.description)], [2, ["both", "both"]]);
await done(api.from("project").update({ description: "quiet" }).eq("id", ids[1]), 204);
await refused(api.from("project").update({ description: "x" }).in("id", ids).maxAffected(1), 400, "PGRST124");
said("updated", updated.count);

said("no such relation", (await refused(api.from("projects").select(), 404, "PGRST205")).hint);
await refused(api.from("project").select("nope"), 400, "42703");
await refused(api.from("project").select().eq("id", "x"), 400, "22P02");
await refused(api.from("project").select("name,table(*)"), 400, "PGRST200");
await refused(api.from("project").insert({ nope: 1 }), 400, "PGRST204");
await refused(api.from("project").insert(changed), 409, "23505");
await refused(api.rpc("nope"), 404, "PGRST202");
await refused(new PostgrestClient(values.endpoint).from("project").select(), 401, "PGRST302");

for (const [relation, rows] of [["table", [table]], ["dataset", datasets]]) {
  await done(api.from(relation).delete().in("id", rows.map((it) => it.id)), 204);
}
const gone = await done(api.from("project").delete({ count: "exact" }).in("id", ids).select("id"));
assert.deepEqual([gone.count, gone.data.map((it) => it.id).sort()], [5, [...ids].sort()]);
said("deleted", gone.count);
