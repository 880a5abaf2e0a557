// The page `/docs` of the gateway as a person uses it, in headless Chromium: it shows every relation, takes a
// pasted token, and calls the API with it; nothing is asked of any other address.
//
// Needs Node 20, Chromium, and a folder for one package:
//
//     npm install --prefix DIR playwright-core@1
//     cp tests/peers/docs.mjs DIR
//     node DIR/docs.mjs --endpoint http://127.0.0.1:8080 --token "$(datacovey token --tenant 'Skyward Alliance')" \
//         --chromium /usr/bin/chromium --pictures DIR
//
// Prints what it saw, and ends with 1 where that is not what the page is for.

import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

const { values } = parseArgs({
  options: {
    endpoint: { type: "string", default: "http://127.0.0.1:8080" },
    token: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    pictures: { type: "string" },
  },
});
assert(values.token, "--token is missing");

const browser = await chromium.launch({
  executablePath: values.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
const asked = [];
const complaints = [];
page.on("request", (request) => asked.push(request.url()));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
const picture = async (name) => values.pictures && page.screenshot({ path: join(values.pictures, `${name}.png`) });

await page.goto(`${values.endpoint}/docs`);
await page.waitForSelector(".opblock-tag");
const title = (await page.textContent(".info .title")).replace(/\s+/g, " ").trim();
assert.match(title, /^DataCovey API Schema 13\.0\.6/);
const tags = await page.$$eval(".opblock-tag", (all) => all.map((it) => it.getAttribute("data-tag")));
assert.equal(tags.length, 15, tags.join());
console.log(`${title}: ${tags.join(", ")}`);
await picture("docs");
assert.deepEqual(complaints, []);

// A token as it is printed, without the scheme before it.
await page.click(".btn.authorize");
await page.fill(".modal-ux input[type=text]", values.token);
await page.click(".modal-ux .btn.authorize");
await page.click(".modal-ux .btn-done");

await page.click('.opblock-tag[data-tag="tenant"]');
await page.click(".opblock-get:has-text('/tenant') .opblock-summary-control");
await page.click(".try-out__btn");
await page.fill('tr[data-param-name="select"] input', "id,name");
const answered = page.waitForResponse((it) => it.url().includes("/tenant"));
await page.click(".btn.execute");
const answer = await answered;
assert.equal(answer.status(), 200, await answer.text());
const [tenant] = await answer.json();
await page.waitForSelector(".live-responses-table .response-col_status");
const shown = await page.textContent(".live-responses-table");
assert(shown.includes(tenant.name), shown);
console.log(`GET ${answer.url()} from the page: ${answer.status()} ${tenant.name}`);
await page.locator(".live-responses-table").first().scrollIntoViewIfNeeded();
await picture("tried");

const elsewhere = asked.filter((it) => !it.startsWith(values.endpoint) && !it.startsWith("data:"));
assert.deepEqual(elsewhere, []);
assert.deepEqual(complaints, []);
console.log(`${asked.length} requests, all to ${values.endpoint}`);
await browser.close();
