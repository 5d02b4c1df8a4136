// pusher-js in Node, driven by lines.
import Pusher from "pusher-js";
import { say, serve } from "./lines.mjs";
import { scene } from "./scene.js";

serve(scene(Pusher, say));
