// The page: shows what the API answers. All state lives behind the API; the browser keeps a session cookie and,
// while an order is on its way, the key that makes sending it twice harmless.
"use strict";

const find = (id) => document.getElementById(id);
const money = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
const price = (cents) => money.format(cents / 100);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const TRIES = 3;
let cart = { lines: [], total: 0 };
let orderKey = null;

/** Ask the API. GET and PUT are safe to repeat, and so is a POST that carries its key; only 4xx answers are final. */
async function ask(method, path, body, headers = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const started = performance.now();
    try {
      const response = await fetch(`/api/${path}`, {
        method,
        headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      find("served-by").textContent = response.headers.get("x-served-by") ?? "the API";
      find("latency").textContent = `${Math.round(performance.now() - started)} ms`;
      const answer = await response.json().catch(() => ({}));
      if (response.ok) return answer;
      const problem = new Error(answer.error ?? `the shop answered ${response.status}`);
      problem.final = response.status < 500;
      throw problem;
    } catch (problem) {
      if (problem.final || attempt === TRIES) throw problem;
      await pause(300 * attempt);
    }
  }
}

function notice(text, bad = false) {
  const line = find("notice");
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.hidden = !text;
}

async function attempt(action) {
  try {
    return await action();
  } catch (problem) {
    notice(`That did not work: ${problem.message}`, true);
    return undefined;
  }
}

function fromTemplate(name, sku) {
  const item = find(`${name}-template`).content.firstElementChild.cloneNode(true);
  item.querySelector("use")?.setAttribute("href", `icons.svg#${sku}`);
  return item;
}

function showProducts(products) {
  const cards = products.map((product) => {
    const card = fromTemplate("product", product.sku);
    card.querySelector("h3").textContent = product.name;
    card.querySelector(".description").textContent = product.description;
    card.querySelector(".price").textContent = price(product.price);
    const add = card.querySelector("button");
    add.disabled = product.stock === 0;
    add.addEventListener("click", () => change(product.sku, held(product.sku) + 1));
    return card;
  });
  find("products").replaceChildren(...cards);
  find("products").setAttribute("aria-busy", "false");
}

const held = (sku) => cart.lines.find((line) => line.sku === sku)?.quantity ?? 0;

async function change(sku, quantity) {
  const answer = await attempt(() => ask("PUT", `cart/${encodeURIComponent(sku)}`, { quantity }));
  if (answer) showCart(answer);
}

function showCart(answer) {
  cart = answer;
  orderKey = null; // another cart is another order
  const lines = cart.lines.map((line) => {
    const item = fromTemplate("line", line.sku);
    item.querySelector(".name").textContent = line.name;
    item.querySelector(".each").textContent = `${price(line.price)} each`;
    item.querySelector("output").textContent = line.quantity;
    item.querySelector(".price").textContent = price(line.price * line.quantity);
    item.querySelector(".less").addEventListener("click", () => change(line.sku, line.quantity - 1));
    item.querySelector(".more").addEventListener("click", () => change(line.sku, line.quantity + 1));
    return item;
  });
  find("cart-lines").replaceChildren(...lines);
  find("cart-empty").hidden = lines.length > 0;
  find("cart-total").textContent = price(cart.total);
  find("cart-count").textContent = cart.lines.reduce((sum, line) => sum + line.quantity, 0);
  find("checkout").disabled = lines.length === 0;
}

function showOrders(orders) {
  const items = orders.map((order) => {
    const item = fromTemplate("order");
    item.querySelector(".id").textContent = order.id.slice(0, 8);
    const when = item.querySelector("time");
    when.dateTime = order.placed;
    when.textContent = new Date(order.placed).toLocaleString();
    item.querySelector(".what").textContent = order.lines.map((line) => `${line.quantity} × ${line.name}`).join(", ");
    item.querySelector(".price").textContent = price(order.total);
    return item;
  });
  find("orders").replaceChildren(...items);
  find("orders-section").hidden = items.length === 0;
}

function newKey() {
  // randomUUID exists on https and localhost only; a development machine may be reached by another name.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function checkout() {
  orderKey ??= newKey();
  find("checkout").disabled = true;
  const order = await attempt(() => ask("POST", "orders", undefined, { "idempotency-key": orderKey }));
  if (order) {
    notice(`Thank you. Order ${order.id.slice(0, 8)} over ${price(order.total)} is placed.`);
    openCart(false);
  }
  await refresh();
}

function openCart(open) {
  find("cart").hidden = !open;
  find("cart-button").setAttribute("aria-expanded", String(open));
  if (open) find("cart-close").focus();
}

async function refresh() {
  await attempt(async () => {
    const key = orderKey;
    const [basket, placed] = await Promise.all([ask("GET", "cart"), ask("GET", "orders")]);
    showCart(basket);
    if (basket.lines.length > 0) orderKey = key; // the order did not go through: the next try is the same order
    showOrders(placed.orders);
  });
}

find("cart-button").addEventListener("click", () => openCart(find("cart").hidden));
find("cart-close").addEventListener("click", () => openCart(false));
find("checkout").addEventListener("click", checkout);
document.addEventListener("keydown", (event) => event.key === "Escape" && openCart(false));

attempt(async () => {
  showProducts((await ask("GET", "products")).products);
  await refresh();
});
