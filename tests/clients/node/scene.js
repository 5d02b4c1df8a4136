// Drives any number of pusher-js clients by commands, in Node and in a browser alike. It adds nothing to what pusher-js
// does: every command is one call, and whatever a client tells its user is handed to `say`.

const brief = (error) => {
  const detail = error?.data ?? error?.error?.data ?? {};
  return { type: error?.type ?? String(error), code: detail.code ?? null, message: detail.message ?? null };
};

const ACTIONS = {
  connect({ client, key, options }, { clients, Pusher, say }) {
    const pusher = new Pusher(key, options);
    clients.set(client, pusher);
    const { connection, user } = pusher;
    connection.bind("state_change", (change) => say({ client, from: "connection", event: change.current }));
    connection.bind("error", (error) => say({ client, from: "connection", event: "error", data: brief(error) }));
    user.bind_global((event, data) => say({ client, from: "user", event, data }));
    user.watchlist.bind_global((event, data) => say({ client, from: "watchlist", event, data }));
    pusher.bind_global((event, data) => {
      if (event === "pusher:signin_success") say({ client, from: "global", event, data });
    });
  },
  state({ client }, { clients }) {
    const { state, socket_id } = clients.get(client).connection;
    return { state, socket_id };
  },
  subscribe({ client, channel, bind = [] }, { clients, known, say }) {
    const subscription = clients.get(client).subscribe(channel);
    if (known.has(subscription)) return;
    known.add(subscription);
    subscription.bind_global((event, data) => {
      const shown = event === "pusher:subscription_succeeded" && data?.members ? { count: data.count } : data;
      say({ client, from: "channel", channel, event, data: shown ?? null });
    });
    for (const event of bind) {
      subscription.bind(event, (data, meta) =>
        say({ client, from: "bound", channel, event, data, meta: meta ?? null }),
      );
    }
  },
  unsubscribe: ({ client, channel }, { clients }) => clients.get(client).unsubscribe(channel),
  trigger: ({ client, channel, event, data }, { clients }) => clients.get(client).channel(channel).trigger(event, data),
  channel({ client, channel }, { clients }) {
    const found = clients.get(client).channel(channel);
    return found ? { subscribed: found.subscribed, count: found.subscriptionCount ?? null } : null;
  },
  members({ client, channel }, { clients }) {
    const { members } = clients.get(client).channel(channel);
    const all = [];
    members.each((member) => all.push(member));
    return { count: members.count, me: members.me, all };
  },
  signin: ({ client }, { clients }) => clients.get(client).signin(),
  disconnect: ({ client }, { clients }) => clients.get(client).disconnect(),
  reconnect: ({ client }, { clients }) => clients.get(client).connect(),
};

export function scene(Pusher, say) {
  const context = { clients: new Map(), known: new WeakSet(), Pusher, say };
  return (command) => ACTIONS[command.do](command, context);
}
