// The gateway as a web page calls it: a stranger that knows nothing but its address and a token, learns
// the API by reflection, and calls it with the library that pages use, without generated code.
//
// Needs Node 20 and a folder for three packages:
//
//     npm install --prefix DIR @connectrpc/connect@2 @connectrpc/connect-web@2 @bufbuild/protobuf@2
//     cp tests/peers/grpc_web.mjs DIR
//     node DIR/grpc_web.mjs --endpoint http://127.0.0.1:8080 --token "$(datacovey token --tenant 'Skyward Alliance')"
//
// Prints what it was answered, and ends with 1 at the first answer that is not the one that a page counts on.
// A page imports the same packages by a bundler; `learn` and the calls below run there as they are.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import { createFileRegistry, create, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { readAllBytes, universalClientResponseFromFetch } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc-web";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

const field = (name, number, type, more = {}) => ({ name, number, type: `TYPE_${type}`, label: "LABEL_OPTIONAL", ...more });
const message = (name, ...fields) => ({ name, field: fields });

// The part of grpc.reflection.v1 that is needed to learn the rest. The method takes a stream; sent a single
// request it answers and ends, which is all that a browser can do, and is declared so.
const REFLECTION = createFileRegistry(
  fromJson(FileDescriptorProtoSchema, {
    name: "reflection.proto",
    package: "grpc.reflection.v1",
    syntax: "proto3",
    messageType: [
      message(
        "ServerReflectionRequest",
        field("file_by_filename", 3, "STRING"),
        field("file_containing_symbol", 4, "STRING"),
        field("list_services", 7, "STRING"),
      ),
      message(
        "ServerReflectionResponse",
        field("file", 4, "MESSAGE", { typeName: ".grpc.reflection.v1.Files" }),
        field("services", 6, "MESSAGE", { typeName: ".grpc.reflection.v1.Services" }),
      ),
      message("Files", field("file_descriptor_proto", 1, "BYTES", { label: "LABEL_REPEATED" })),
      message("Services", field("service", 1, "MESSAGE", { label: "LABEL_REPEATED", typeName: ".grpc.reflection.v1.Named" })),
      message("Named", field("name", 1, "STRING")),
    ],
    service: [
      {
        name: "ServerReflection",
        method: [
          {
            name: "ServerReflectionInfo",
            inputType: ".grpc.reflection.v1.ServerReflectionRequest",
            outputType: ".grpc.reflection.v1.ServerReflectionResponse",
            serverStreaming: true,
          },
        ],
      },
    ],
  }),
  () => undefined,
);

// All services of a server and every type they use.
async function learn(transport) {
  const reflection = createClient(REFLECTION.getService("grpc.reflection.v1.ServerReflection"), transport);
  const ask = async (question) => {
    for await (const answer of reflection.serverReflectionInfo(question)) return answer;
  };
  const files = new Map();
  const add = async (question) => {
    for (const bytes of (await ask(question)).file.fileDescriptorProto) {
      const file = fromBinary(FileDescriptorProtoSchema, bytes);
      if (files.has(file.name)) continue;
      for (const name of file.dependency) {
        if (!files.has(name)) await add({ fileByFilename: name });
      }
      // After those that it depends on, as a registry reads them.
      files.set(file.name, file);
    }
  };
  const { services } = await ask({ listServices: "*" });
  for (const { name } of services.service) await add({ fileContainingSymbol: name });
  // Details of errors are in no method's signature.
  await add({ fileContainingSymbol: "google.rpc.ErrorInfo" });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...files.values()] }));
}

// For methods that take a stream, which the transport for pages refuses: all requests in one body.
function oneBody(baseUrl, interceptors) {
  const most = 0xffff_ffff;
  const httpClient = async ({ url, method, header, body, signal }) => {
    const bytes = await readAllBytes(body, most);
    return universalClientResponseFromFetch(await fetch(url, { method, headers: header, body: bytes, signal }));
  };
  const limits = { compressMinBytes: 0, readMaxBytes: most, writeMaxBytes: most };
  return createTransport({
    baseUrl, httpClient, interceptors, useBinaryFormat: true, acceptCompression: [], sendCompression: null, ...limits,
  });
}

// A table of three rows, imported from a CSV file as a page would: created, uploaded, watched to its end.
async function importRows(client, over, projectId) {
  const datasets = client("datacovey.catalog.v1.DatasetService");
  const dataset = await datasets.createDataset({ dataset: { projectId, name: "page" } });
  const schema = { type: "object", properties: { city: { type: "string" }, visits: { type: "integer" } } };
  const tables = client("datacovey.catalog.v1.TableService");
  const table = await tables.createTable({ table: { datasetId: dataset.id, name: "visits", schema } });

  const imports = client("datacovey.transfer.v1.ImportService");
  const source = { case: "upload", value: {} };
  const job = await imports.createImportJob({ tableId: table.id, format: 1, source });
  const content = new TextEncoder().encode("city,visits\nBern,1\nGraz,2\nJena,3\n");
  const parts = async function* () {
    yield { part: { case: "start", value: { importJobId: job.id } } };
    yield { part: { case: "data", value: content.slice(0, 20) } };
    yield { part: { case: "data", value: content.slice(20) } };
    yield { part: { case: "finish", value: { totalBytes: BigInt(content.length) } } };
  };
  const uploaded = await client("datacovey.transfer.v1.ImportService", over).upload(parts());
  assert.deepEqual([uploaded.finished, uploaded.committedBytes], [true, BigInt(content.length)]);

  let last;
  for await (const state of imports.watchImportJob({ id: job.id })) last = state;
  assert.equal(last.rowsImported, 3n, last.error?.message);
  return last;
}

async function refused(call) {
  return call.then(
    () => assert.fail("was answered"),
    (error) => ConnectError.from(error),
  );
}

function info(registry, error) {
  const [info] = error.findDetails(registry.getMessage("google.rpc.ErrorInfo"));
  assert.ok(info, `no ErrorInfo: ${error}`);
  return info;
}

async function main() {
  const { values } = parseArgs({ options: { endpoint: { type: "string" }, token: { type: "string" } } });
  assert.ok(values.endpoint && values.token, "both --endpoint and --token are needed");
  const seen = [];
  const authorize = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${values.token}`);
    request.header.set("x-request-id", `page-${seen.length}`);
    const response = await next(request);
    seen.push(response.header.get("x-request-id"));
    return response;
  };
  const anybody = createGrpcWebTransport({ baseUrl: values.endpoint });
  const transport = createGrpcWebTransport({ baseUrl: values.endpoint, interceptors: [authorize] });

  const registry = await learn(anybody);
  const client = (name, over = transport) => createClient(registry.getService(name), over);
  const services = [...registry].filter((it) => it.kind === "service").map((it) => it.typeName);
  console.log(`learned ${services.length} services: ${services.join(", ")}`);

  const users = client("datacovey.identity.v1.UserService");
  const me = await users.whoAmI({});
  console.log("WhoAmI:", me.user.email, "of", me.tenant.name);
  assert.equal(seen.at(-1), "page-0", "the request's id comes back");

  const stranger = await refused(client("datacovey.identity.v1.UserService", anybody).whoAmI({}));
  assert.equal(stranger.code, Code.Unauthenticated);
  assert.equal(info(registry, stranger).reason, "CREDENTIALS_MISSING");
  console.log("without a token:", stranger.message);

  const projects = client("datacovey.catalog.v1.ProjectService");
  const tag = crypto.randomUUID().slice(0, 8);
  const made = [];
  for (const number of [1, 2, 3]) {
    made.push(await projects.createProject({ project: { name: `Page ${tag} ${number}` }, requestId: `${tag}-${number}` }));
  }
  const again = await projects.createProject({ project: { name: `Page ${tag} 1` }, requestId: `${tag}-1` });
  assert.equal(again.id, made[0].id, "a repeat is the same project");
  console.log("created:", toJson(registry.getMessage("datacovey.catalog.v1.Project"), made[0]));

  const pages = [];
  let pageToken = "";
  do {
    const page = await projects.listProjects({ pageSize: 2, pageToken, filter: `name = "Page ${tag} *"`, orderBy: "name desc" });
    pages.push(page.projects.map((it) => it.name));
    pageToken = page.nextPageToken;
  } while (pageToken);
  console.log("pages of two:", pages);
  assert.deepEqual(pages, [[3, 2].map((it) => `Page ${tag} ${it}`), [`Page ${tag} 1`]]);

  const missing = await refused(projects.getProject({ id: crypto.randomUUID() }));
  assert.equal(missing.code, Code.NotFound);
  const { reason, domain, metadata } = info(registry, missing);
  assert.deepEqual([reason, domain], ["NOT_FOUND", "datacovey"]);
  console.log("missing:", missing.message, { reason, domain, metadata });

  const wrong = await refused(projects.createProject({ project: { name: "" }, requestId: "x".repeat(65) }));
  assert.equal(wrong.code, Code.InvalidArgument);
  const [bad] = wrong.findDetails(registry.getMessage("google.rpc.BadRequest"));
  console.log("wrong:", bad.fieldViolations.map((it) => `${it.field}: ${it.description}`));
  assert.equal(bad.fieldViolations.length, 2);

  // A stream that never ends by itself: its first message comes, then its deadline ends it.
  const health = client("grpc.health.v1.Health", anybody);
  const states = [];
  const watched = (async () => {
    for await (const { status } of health.watch({ service: "gateway" }, { timeoutMs: 1000 })) states.push(status);
  })();
  assert.equal((await refused(watched)).code, Code.DeadlineExceeded);
  assert.deepEqual(states, [1]);
  console.log("Health.Watch: SERVING, until the deadline");

  const imported = await importRows(client, oneBody(values.endpoint, [authorize]), made[0].id);
  console.log(`imported ${imported.rowsImported} rows by an upload and a watched job`);

  for (const { id } of made) await projects.deleteProject({ id, force: true });
  console.log("all as a page counts on");
}

await main();
