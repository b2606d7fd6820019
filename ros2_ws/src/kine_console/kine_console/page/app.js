// The console's page: takes the news, draws it, and sends what the operator asks for.

import { Arm } from './arm.js';
import { Link } from './link.js';
import { fitting, resetCounters, showCounters, showEvents, showJudge, showNodes, showPlan, showStates, showWhich } from './panels.js';
import { Plot } from './plot.js';

const $ = (id) => document.getElementById(id);
const COLOURS = ['#56a8ff', '#42c268', '#f0b429', '#ff7a72', '#c08bff', '#3fd0c9', '#e8eef4'];
const OLD_PICTURE_MS = 2000, OLD_JOINTS_S = 1, JUST_STARTED_MS = 3000, NEAR_LIMIT_DEG = 5;
const CARD = {
  instruct: 'answer-instruct', end_instruction: 'answer-instruct', approve: 'answer-approve', enable: 'answer-arm',
  home: 'answer-arm', disable: 'answer-arm', reset: 'answer-arm', record_start: 'answer-record',
  record_stop: 'answer-record', record_discard: 'answer-record',
};

const news = { driver: null, statuses: {}, services: {}, nodes: {}, counters: [], cameras: {}, joints: null, plan: null, viewers: 0 };
let nodeTime = 0, nodeTimeAt = 0;        // the node's clock, s, and when it was told, ms
let trained = [], suggested = '';        // sentences the checkpoint knows, and which of them are shown
let token = sessionStorage.getItem('token') || '';
let inControl = false, armState = '', approvalOf = 0, startedAt = -Infinity;
const ownEvents = [];                    // what befell this page: links lost and found
let arm = null;
const cameras = [...document.querySelectorAll('.camera')].map((figure) => ({
  figure, image: figure.querySelector('img'), text: figure.querySelector('p'), note: figure.querySelector('figcaption span'), at: -Infinity,
}));
const jointPlot = new Plot($('joint-plot'), { colours: COLOURS, seconds: 30, least: 10 });
const latencyPlot = new Plot($('latency-plot'), { colours: ['#56a8ff', '#f0b429'], seconds: 60, low: 0, least: 50, dots: true });

const nodeNow = () => nodeTime + (performance.now() - nodeTimeAt) / 1000;
const degrees = (rad) => (rad === null ? null : (rad * 180) / Math.PI);

// --- news ------------------------------------------------------------------------------------------
const link = new Link({
  open() {
    if (token) takeControl();
  },
  hello(hello) {
    trained = hello.instructions;
    suggested = '';
    jointPlot.rows = hello.history.joints.map((r) => [r[0], ...r.slice(1, 8).map(degrees)]);
    latencyPlot.rows = hello.history.latencies.map((r) => [r[0], r[1] * 1000, r[2] * 1000]);
  },
  round(changed, now) {
    nodeTime = now;
    nodeTimeAt = performance.now();
    Object.assign(news, changed);
    if (changed.joints) takeJoints(changed.joints);
    if (changed.plan) takePlan(changed.plan);
    if (changed.events) showEvents([...news.events, ...ownEvents]);
    if (changed.counters || changed.statuses) showCounters(news.counters, news.statuses);
    $('viewers').textContent = `${news.viewers} ${news.viewers === 1 ? 'viewer' : 'viewers'} of this page`;
  },
  picture(number, blob) {
    const camera = cameras[number];
    if (!camera) return;
    const before = camera.image.src;
    camera.image.src = URL.createObjectURL(blob);
    if (before) URL.revokeObjectURL(before);
    camera.image.hidden = false;
    camera.at = performance.now();
  },
  state(alive, text) {
    if (!alive) inControl = false;
    else if (token && !inControl) takeControl();   // also after a silence on the same connection
    note(alive, text);
    document.body.classList.toggle('no-link', !alive);
    $('banner').hidden = alive;
    if (!alive) {
      banner('NO LINK TO THE CONSOLE', text || 'Nothing on this page is live. STOP is tried all the same; to be sure, use the emergency stop switch.');
    }
    refresh();
  },
});

/** A lost link of this page leaves a line in its log. */
let linked = null;
function note(alive, text) {
  if (alive === linked || (linked === null && alive)) { linked = alive; return; }
  linked = alive;
  const what = alive ? 'link to the console is back' : 'link to the console lost';
  ownEvents.push({ time_s: Date.now() / 1000, kind: 'page', who: 'this page', what, ok: alive, message: text || (alive ? '' : 'no news from the console') });
  if (ownEvents.length > 20) ownEvents.shift();
  showEvents([...(news.events || []), ...ownEvents]);
}

function banner(title, text) {
  const small = document.createElement('small');
  small.textContent = text;
  $('banner').replaceChildren(title, small);
}

function takeJoints(joints) {
  const values = joints.values.slice(0, 7);
  jointPlot.add([joints.received_s, ...values.map(degrees)]);
  if (arm && values.every((v) => v !== null)) {
    arm.set(values, joints.values[7]);
    const [x, y, z] = arm.tool();
    $('tool-text').textContent = `tool x ${x.toFixed(3)}  y ${y.toFixed(3)}  z ${z.toFixed(3)} m, ${joints.values[7] === null ? 'gripper unknown' : `${Math.round(100 * joints.values[7])} % open`}`;
  }
  $('joint-legend').replaceChildren(...values.map((v, k) => {
    const line = document.createElement('div'), name = document.createElement('span'), box = document.createElement('i'), value = document.createElement('b');
    box.style.background = COLOURS[k];
    name.append(box, `J${k + 1}`);
    value.textContent = v === null ? 'none' : degrees(v).toFixed(1);
    const limit = jointPlot.limits[k];
    if (limit) {
      line.title = `limit ±${limit.toFixed(0)}°`;
      line.className = v !== null && limit - Math.abs(degrees(v)) < NEAR_LIMIT_DEG ? 'near' : '';
    }
    line.append(name, value);
    return line;
  }));
}

function takePlan(plan) {
  const l = plan.latency_s;
  latencyPlot.add([plan.received_s, l.total === null ? null : l.total * 1000, l.age === null ? null : l.age * 1000]);
  $('latency-empty').hidden = true;
  $('latency-total').textContent = `${Math.round((l.total || 0) * 1000)} ms to plan`;
  $('latency-age').textContent = `picture ${Math.round((l.age || 0) * 1000)} ms old`;
}

const MOST_SUGGESTED = 24;

/** Buttons with sentences the checkpoint knows, about what lies on the table where that is known. */
function suggest() {
  const chosen = fitting(trained, news.statuses).slice(0, MOST_SUGGESTED), box = $('suggestions');
  if (chosen.join('\n') === suggested) return;
  suggested = chosen.join('\n');
  box.hidden = !chosen.length;
  box.querySelector('div').replaceChildren(...chosen.map((text) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.onclick = () => { $('instruction').value = text; $('instruction').focus(); box.open = false; refresh(); };
    return button;
  }));
}

// --- what is drawn at its own pace -----------------------------------------------------------------
function refresh() {
  const now = nodeNow(), alive = link?.alive ?? false;
  showWhich(news.arm, news.driver, now);
  armState = showStates(news.driver, news.statuses, news.services, now);
  showNodes(news.nodes, news.statuses, now);
  showJudge(news.statuses, now);
  suggest();
  if (news.plan) showPlan(news.plan, now);
  for (const camera of cameras) {
    const name = camera.figure.dataset.camera, info = news.cameras[name] || { error: '', rate_hz: 0 };
    const age = performance.now() - camera.at, old = age > OLD_PICTURE_MS;
    camera.figure.classList.toggle('old', old && !camera.image.hidden);
    camera.text.hidden = !old;
    camera.text.textContent = info.error || (camera.image.hidden ? `Waiting for the first picture of the ${name} camera` : `No picture for ${Math.round(age / 1000)} s`);
    camera.note.textContent = old ? 'not live' : `live, camera at ${info.rate_hz} per second`;
  }
  const empty = $('arm-empty');
  const age = news.joints ? now - news.joints.received_s : Infinity;
  empty.hidden = age < OLD_JOINTS_S;
  empty.className = news.joints ? '' : 'first';
  empty.textContent = news.joints ? `No joint states for ${Math.round(age)} s: this is where the arm was` : 'Waiting for joint states';
  const policy = news.statuses['kinevla: policy'];
  const runs = policy?.message !== 'idle' && policy?.values.instruction;
  $('instruction-now').textContent = !runs ? 'none running' : runs === $('instruction').value ? 'running' : `running: ${runs}`;
  showRecording();
  showApproval(policy);
  enableButtons(alive);
}

function showRecording() {
  const there = Boolean(news.services.record_start), recorder = news.statuses.recorder;
  $('recorder-empty').hidden = there;
  $('recorder-controls').hidden = !there;
  const on = there && recorder?.values.recording === 'True';
  $('record-idle').hidden = on;
  $('record-running').hidden = !on;
  $('recording-text').className = on ? 'on' : '';
  $('recording-text').textContent = on ? `recording ${recorder.values.episode_id || ''}` : '';
}

function showApproval(policy) {
  const plan = news.plan;
  const waits = policy?.message.includes('waiting for approval') || (plan && nodeNow() - plan.received_s < 2);
  const wanted = Boolean(news.services.approve && plan?.awaiting_approval && waits);
  $('approval').hidden = !wanted;
  if (wanted && approvalOf !== plan.received_s) {
    approvalOf = plan.received_s;
    $('approval-text').value = plan.kinematics_reasoning;
    fit($('approval-text'));
  }
}

/** A text field as high as its text. */
function fit(field) {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + 2}px`;
}

/** Why a command means nothing now; empty when it does. */
function meaningless(name) {
  const policy = news.statuses['kinevla: policy'];
  const empty = !$('instruction').value.trim();
  switch (name) {
    case 'instruct': return armState && armState !== 'ENABLED' ? 'Enable the arm first' : empty ? 'Write an instruction first' : '';
    case 'end_instruction': return policy?.message === 'idle' && performance.now() - startedAt > JUST_STARTED_MS ? 'No instruction is running' : '';
    case 'enable': return { ENABLED: 'The arm is enabled', HOMING: 'The arm is enabled', STOPPED: 'Press Reset first' }[armState] || '';
    case 'disable': return { CONNECTED: 'The arm is disabled', STOPPED: 'The arm is stopped' }[armState] || '';
    case 'home': return armState && armState !== 'ENABLED' ? 'Enable the arm first' : '';
    case 'reset': return armState === 'ENABLED' || armState === 'HOMING' ? 'No stop is latched' : '';
    case 'record_start': return empty ? 'Write the instruction that is shown first' : '';
    default: return '';
  }
}

function enableButtons(alive) {
  const may = alive && inControl;
  for (const button of document.querySelectorAll('button[data-command]')) {
    const there = Boolean(news.services[button.dataset.command]);
    const why = meaningless(button.dataset.command);
    button.disabled = !(may && there) || Boolean(why);
    button.title = !alive ? 'No link to the console' : !inControl ? 'View only: enter the control token first' : there ? why : 'The node that does this is not running';
  }
  // The step that comes next stands out.
  for (const [name, state] of [['enable', 'CONNECTED'], ['reset', 'STOPPED']]) {
    document.querySelector(`button[data-command=${name}]`).classList.toggle('primary', armState === state);
  }
  if (!stopping) $('stop-hint').textContent = alive ? 'Esc or Space' : 'NO LINK';
  const word = $('control-word');
  word.className = may ? 'good' : '';
  word.textContent = may ? 'You are in control' : 'View only';
  $('token-form').hidden = may;
  $('release').hidden = !may;
}

function drawPlots() {
  const now = nodeNow();
  jointPlot.draw(now);
  latencyPlot.draw(now);
}

// --- commands --------------------------------------------------------------------------------------
function say(id, tone, text) {
  $(id).className = `answer ${tone}`;
  $(id).textContent = text;
}

async function command(name, args = {}) {
  const place = CARD[name];
  say(place, 'busy', `${name.replaceAll('_', ' ')} …`);
  const answer = await link.request(name, args, token);
  if (name === 'instruct' && answer.ok) startedAt = performance.now();
  if (answer.ok && args.text) answer.message = answer.message.replace(`: ${args.text}`, '');   // it stands above
  say(place, answer.ok ? 'good' : 'bad', answer.ok ? answer.message || 'done' : `Refused: ${answer.message}`);
}

let stopping = false;
async function stop() {
  stopping = true;
  $('stop-hint').textContent = 'stopping …';
  const answer = await link.stop();
  stopping = false;
  say('answer-instruct', '', '');   // what was started is over
  say('answer-arm', answer.ok ? 'good' : 'bad', answer.message);
  if (!answer.ok) {
    banner('NOT STOPPED', answer.message);
    $('banner').hidden = false;
    setTimeout(() => { $('banner').hidden = link.alive; }, 15000);
  }
  refresh();
}

async function takeControl() {
  const answer = await link.request('check_token', {}, token);
  inControl = answer.ok;
  say('answer-token', answer.ok ? 'good' : 'bad', answer.ok ? '' : answer.message);
  if (answer.ok) sessionStorage.setItem('token', token);
  else if (!answer.lost) release();
  refresh();
}

function release() {
  token = '';
  inControl = false;
  sessionStorage.removeItem('token');
  refresh();
}

$('token-form').onsubmit = (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  takeControl();
};
$('release').onclick = release;
$('stop').addEventListener('pointerdown', (event) => { event.preventDefault(); stop(); });
document.addEventListener('keydown', (event) => {
  const writing = ['INPUT', 'TEXTAREA'].includes(document.activeElement?.tagName);
  if (event.key === 'Escape' || (event.key === ' ' && !writing)) {
    event.preventDefault();
    if (!event.repeat) stop();
  } else if (event.key === 'Enter' && document.activeElement === $('stop')) {
    event.preventDefault();
    stop();
  }
}, true);
document.addEventListener('keyup', (event) => {
  if (event.key === ' ' && document.activeElement?.tagName === 'BUTTON') event.preventDefault();
}, true);
$('instruct-form').onsubmit = (event) => {
  event.preventDefault();
  if (!$('instruct-form').querySelector('[type=submit]').disabled) command('instruct', { text: $('instruction').value });
};
for (const button of document.querySelectorAll('button[data-command]')) {
  const name = button.dataset.command;
  const args = {
    approve: () => {
      const text = $('approval-text').value;
      return { kinematics: text === news.plan.kinematics_reasoning ? '' : text, instruction_id: news.plan.instruction_id };
    },
    record_start: () => ({ instruction: $('instruction').value, goal: '', kinematics: '', operator: $('operator').value }),
    record_stop: () => ({ verdict: button.dataset.verdict, note: $('record-note').value }),
    record_discard: () => ({ reason: $('record-note').value }),
  }[name];
  if (button.type !== 'submit' || !button.form) {
    button.addEventListener('click', () => command(name, args ? args() : {}));
  }
}
$('approval-undo').onclick = () => { $('approval-text').value = news.plan?.kinematics_reasoning || ''; fit($('approval-text')); };
$('approval-text').oninput = () => fit($('approval-text'));
$('instruction').addEventListener('keydown', (event) => {   // one sentence: Enter gives it
  if (event.key !== 'Enter') return;
  event.preventDefault();
  $('instruct-form').requestSubmit();
});
$('instruction').oninput = refresh;
$('counters-reset').onclick = () => resetCounters(news.counters, news.statuses);

// A token in the address (…/#token=…) is taken, and taken out of the address.
function takeFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!given) return;
  token = given;
  history.replaceState(null, '', location.pathname);
  if (link.alive) takeControl();
}
takeFromAddress();
window.addEventListener('hashchange', takeFromAddress);

fetch('/rm75.json').then((response) => response.json()).then((table) => {
  arm = new Arm($('arm'), table);
  jointPlot.limits = table.joints.map((joint) => degrees(joint.limit_rad));
  if (news.joints) takeJoints(news.joints);
});
setInterval(refresh, 250);
setInterval(drawPlots, 200);
window.addEventListener('resize', () => { arm?.draw(); drawPlots(); });
window.kineConsole = { news, arm: () => arm };
