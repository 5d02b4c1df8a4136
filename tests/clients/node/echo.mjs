// laravel-echo with pusher-js, driven by lines: every command is one call of an Echo.
import Echo from "laravel-echo";
import Pusher from "pusher-js";
import { say, serve } from "./lines.mjs";

const echoes = new Map();
const channels = new Map();

const OPEN = { public: "channel", private: "private", encrypted: "encryptedPrivate", presence: "join" };

const ACTIONS = {
  connect({ client, options }) {
    const echo = new Echo({ ...options, Pusher });
    echoes.set(client, echo);
    echo.connector.pusher.connection.bind("state_change", (change) =>
      say({ client, from: "connection", event: change.current }),
    );
  },
  open({ client, kind, channel }) {
    const opened = echoes.get(client)[OPEN[kind]](channel);
    channels.set(`${client} ${channel}`, opened);
    const tell = (event) => (data) => say({ client, from: "echo", channel, event, data: data ?? null });
    opened.subscribed(tell("subscribed")).error(tell("error")).notification(tell("notification"));
    if (kind === "presence") opened.here(tell("here")).joining(tell("joining")).leaving(tell("leaving"));
  },
  listen({ client, channel, event }) {
    channels.get(`${client} ${channel}`).listen(event, (data) => say({ client, from: "echo", channel, event, data }));
  },
  listenForWhisper({ client, channel, event }) {
    const heard = (data) => say({ client, from: "echo", channel, event: `whispered ${event}`, data });
    channels.get(`${client} ${channel}`).listenForWhisper(event, heard);
  },
  whisper({ client, channel, event, data }) {
    channels.get(`${client} ${channel}`).whisper(event, data);
  },
  leave: ({ client, channel }) => echoes.get(client).leave(channel),
  socketId: ({ client }) => echoes.get(client).socketId(),
  disconnect: ({ client }) => echoes.get(client).disconnect(),
};

serve((command) => ACTIONS[command.do](command));
