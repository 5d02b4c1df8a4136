// The server library `pusher` of npm, driven by lines: a command names a method and its arguments.
import Pusher from "pusher";
import { serve } from "./lines.mjs";

const ACTIONS = {
  async request({ options, method, args }) {
    try {
      const reply = await new Pusher(options)[method](...args);
      return { status: reply.status, body: await reply.text() };
    } catch (error) {
      if (error.status === undefined) throw error;
      return { status: error.status, body: error.body };
    }
  },
  sign: ({ options, method, args }) => new Pusher(options)[method](...args),
  webhook({ options, headers, body }) {
    const hook = new Pusher(options).webhook({ headers, rawBody: body });
    return { valid: hook.isValid(), events: hook.isBodyValid() ? hook.getEvents() : null };
  },
};

serve((command) => ACTIONS[command.do](command));
