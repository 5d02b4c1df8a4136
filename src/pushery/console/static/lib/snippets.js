// Programs to copy, filled in with an app's own names and addresses. Texts only: nothing here knows the page.
// A snippet's block is a list of parts, texts and secrets, so that a view can show it with the secrets hidden and copy
// it whole. Invariant: every value is quoted for the language that it stands in.

/**
 * @typedef {{name: string, value: string}} Secret
 * @typedef {string | Secret} Part
 * @typedef {{title: string, note: string, parts: Part[]}} Block
 * @typedef {{id: string, title: string, blocks: Block[]}} Snippet
 * @typedef {{host: string, port: number, tls: boolean}} Address
 * @typedef {{key: string, id: string, appKey: string, secret: string, account: string, password: string,
 *   clients: Address, backends: Address}} Values `clients` is where sockets connect, `backends` where HTTP requests go.
 */

/** A word for a shell, whatever stands in it. @param {string} text */
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** @param {string} text */
const php = (text) => `'${text.replace(/[\\']/g, "\\$&")}'`;
/** @param {string} text */
const json = (text) => JSON.stringify(text);
/** @param {boolean} truth */
const python = (truth) => (truth ? "True" : "False");

/** Write a snippet as a template: texts, numbers and truths stand where they are, `{name, value}` are secrets.
 * @param {TemplateStringsArray} texts @param {...(string | number | boolean | Secret)} values @returns {Part[]} */
function parts(texts, ...values) {
  /** @type {Part[]} */
  const joined = [texts[0]];
  values.forEach((value, at) => {
    const behind = texts[at + 1];
    if (typeof value === "object") joined.push(value, behind);
    else joined.push(`${joined.pop()}${value}${behind}`);
  });
  return joined;
}

/** The whole text, as it is copied. @param {Block} block */
export function wholeText(block) {
  return block.parts.map((part) => (typeof part === "string" ? part : part.value)).join("");
}

/**
 * Every snippet for this app.
 * @param {Values} values
 * @returns {Snippet[]}
 */
export function snippets(values) {
  return [curl(values), pusherJs(values), echo(values), pythonLibrary(values), phpLibrary(values), webSocket(values)];
}

/** @param {Values} values @returns {Snippet} */
function curl(values) {
  const url = httpUrl(values.backends);
  const login = { name: "password", value: shell(`${values.account}:${values.password}`) };
  return {
    id: "curl",
    title: "curl",
    blocks: [
      {
        title: "Push to tags",
        note: "To everyone whose tag the pattern matches; without user_tag to everyone. Answers with the number of sockets.",
        parts: parts`curl -u ${login} ${shell(`${url}/api/push/${values.appKey}`)} \\
  --data-urlencode 'content=Hello from curl' \\
  --data-urlencode 'user_tag=^A:'
`,
      },
      {
        title: "Publish an event on channels",
        note: "Signed as the Pusher protocol asks. A library does this for you; by hand it takes curl and openssl.",
        parts: parts`key=${shell(values.key)}
secret=${{ name: "secret", value: shell(values.secret) }}
body='{"name":"headline","channels":["news"],"data":"{\\"text\\":\\"Hello from curl\\"}"}'
path=${shell(`/apps/${values.id}/events`)}
query="auth_key=$key&auth_timestamp=$(date +%s)&auth_version=1.0"
query="$query&body_md5=$(printf %s "$body" | openssl md5 -r | cut -d' ' -f1)"
signature=$(printf 'POST\\n%s\\n%s' "$path" "$query" | openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
curl "${url}$path?$query&auth_signature=$signature" -H 'Content-Type: application/json' -d "$body"
`,
      },
    ],
  };
}

/** @param {Values} values @returns {Snippet} */
function pusherJs({ key, clients }) {
  return {
    id: "pusher-js",
    title: "pusher-js",
    blocks: [
      {
        title: "Listen to a channel",
        note: "npm install pusher-js. The cluster means nothing to Pushery, but the library insists on one.",
        parts: parts`import Pusher from "pusher-js";

const pusher = new Pusher(${json(key)}, {
  cluster: "own",
  wsHost: ${json(clients.host)},
  wsPort: ${clients.port},
  wssPort: ${clients.port},
  httpHost: ${json(clients.host)},
  httpPort: ${clients.port},
  httpsPort: ${clients.port},
  forceTLS: ${clients.tls},
  enableStats: false,
  enabledTransports: ["ws", "wss", "xhr_streaming", "xhr_polling"],
});

const channel = pusher.subscribe("news");
channel.bind("pusher:subscription_succeeded", () => console.log("listening"));
channel.bind("headline", (data) => console.log("headline:", data.text));
`,
      },
    ],
  };
}

/** @param {Values} values @returns {Snippet} */
function echo({ key, id, secret, clients, backends }) {
  /** @param {Address} address */
  const scheme = ({ tls }) => (tls ? "https" : "http");
  return {
    id: "echo",
    title: "Laravel Echo",
    blocks: [
      {
        title: ".env",
        note: "composer require pusher/pusher-php-server. The secret stays on your server; VITE_ values reach the browser.",
        parts: parts`BROADCAST_CONNECTION=pusher
PUSHER_APP_ID=${id}
PUSHER_APP_KEY=${key}
PUSHER_APP_SECRET=${{ name: "secret", value: secret }}
PUSHER_HOST=${backends.host}
PUSHER_PORT=${backends.port}
PUSHER_SCHEME=${scheme(backends)}
PUSHER_APP_CLUSTER=own

VITE_PUSHER_APP_KEY=${key}
VITE_PUSHER_HOST=${clients.host}
VITE_PUSHER_PORT=${clients.port}
VITE_PUSHER_SCHEME=${scheme(clients)}
`,
      },
      {
        title: "resources/js/echo.js",
        note: "npm install laravel-echo pusher-js",
        parts: parts`import Echo from "laravel-echo";
import Pusher from "pusher-js";

window.Pusher = Pusher;
window.Echo = new Echo({
  broadcaster: "pusher",
  key: import.meta.env.VITE_PUSHER_APP_KEY,
  cluster: "own",
  wsHost: import.meta.env.VITE_PUSHER_HOST,
  wsPort: import.meta.env.VITE_PUSHER_PORT,
  wssPort: import.meta.env.VITE_PUSHER_PORT,
  forceTLS: import.meta.env.VITE_PUSHER_SCHEME === "https",
  enabledTransports: ["ws", "wss"],
});

window.Echo.channel("orders").listen("OrderShipped", (event) => console.log("shipped:", event.id));
`,
      },
    ],
  };
}

/** @param {Values} values @returns {Snippet} */
function pythonLibrary({ key, id, secret, backends }) {
  return {
    id: "python",
    title: "Python",
    blocks: [
      {
        title: "Publish an event",
        note: "pip install pusher",
        parts: parts`import pusher

backend = pusher.Pusher(
    app_id=${json(id)},
    key=${json(key)},
    secret=${{ name: "secret", value: json(secret) }},
    host=${json(backends.host)},
    port=${backends.port},
    ssl=${python(backends.tls)},
)
backend.trigger("news", "headline", {"text": "Hello from Python"})
print(backend.channels_info())
`,
      },
    ],
  };
}

/** @param {Values} values @returns {Snippet} */
function phpLibrary({ key, id, secret, backends }) {
  return {
    id: "php",
    title: "PHP",
    blocks: [
      {
        title: "Publish an event",
        note: "composer require pusher/pusher-php-server",
        parts: parts`<?php

require __DIR__ . '/vendor/autoload.php';

$pusher = new Pusher\\Pusher(${php(key)}, ${{ name: "secret", value: php(secret) }}, ${php(id)}, [
    'host' => ${php(backends.host)},
    'port' => ${backends.port},
    'scheme' => ${php(backends.tls ? "https" : "http")},
    'useTLS' => ${backends.tls},
]);
$pusher->trigger('news', 'headline', ['text' => 'Hello from PHP']);
`,
      },
    ],
  };
}

/** @param {Values} values @returns {Snippet} */
function webSocket({ appKey, clients }) {
  const url = `${clients.tls ? "wss" : "ws"}://${clients.host}:${clients.port}/ws/${appKey}/`;
  return {
    id: "websocket",
    title: "WebSocket",
    blocks: [
      {
        title: "Listen under a tag",
        note: "No library at all. What is pushed to all, or to a pattern that matches the tag, arrives as text.",
        parts: parts`const tag = "A:1";
const socket = new WebSocket(${json(url)} + encodeURIComponent(tag));
socket.onopen = () => console.log("listening");
socket.onmessage = ({ data }) => console.log("pushed:", data);
socket.onclose = ({ code, reason }) => console.log("closed:", code, reason);
`,
      },
    ],
  };
}

/** @param {Address} address */
function httpUrl({ tls, host, port }) {
  return `${tls ? "https" : "http"}://${host}:${port}`;
}
