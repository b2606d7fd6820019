// What the page says in words: states, nodes, refusals, log.

const $ = (id) => document.getElementById(id);
const OLD_S = 3;

const ARM = {
  DISCONNECTED: ['bad', 'not connected', 'The driver cannot reach the arm. It keeps trying.'],
  CONNECTED: ['info', 'disabled', 'The arm is connected and cannot move. Enable it to work.'],
  ENABLED: ['good', 'enabled', 'The arm can move. Keep the emergency stop switch at hand.'],
  HOMING: ['good', 'moving home', 'The arm is on its way to the home pose.'],
  STOPPED: ['bad', 'STOPPED', 'The stop is latched. Press Reset when it is safe, then Enable.'],
  LOST: ['bad', 'link lost', 'The driver has lost the arm. It keeps trying; the arm stays disabled.'],
};

function pill(id, tone, word, detail) {
  const box = $(id);
  box.className = `pill ${tone}`;
  box.querySelector('b').textContent = word;
  const line = box.querySelector('i');
  line.textContent = line.title = detail;
}

function old(row, now) { return !row || now - row.received_s > OLD_S; }

/** SIMULATED or REAL, with the address of the controller; nothing while the driver is not heard. */
export function showWhich(arm, driver, now) {
  const known = Boolean(arm?.which) && !old(driver, now);
  $('which').hidden = !known;
  if (!known) return;
  $('which').className = arm.which === 'REAL' ? 'real' : 'simulated';
  $('which').querySelector('b').textContent = arm.which === 'REAL' ? 'REAL ARM' : arm.which;
  $('which').querySelector('span').textContent = arm.address;
}

/** The three states at the top; returns the arm's state, or '' when it is not known. */
export function showStates(driver, statuses, services, now) {
  const arm = statuses['realman_driver: arm'];
  let state = '';
  const hint = $('arm-hint');
  if (old(driver, now)) {
    pill('pill-arm', 'bad', driver ? 'no news' : 'no driver', driver ? `last heard ${Math.round(now - driver.received_s)} s ago` : 'its node does not report');
    hint.className = 'bad';
    hint.textContent = driver ? 'The driver does not report: the state of the arm is not known.' : 'The driver is not running.';
  } else {
    state = driver.state;
    const [tone, word, text] = ARM[state] || ['warn', state || 'unknown', ''];
    const moved = driver.source ? `moved by ${driver.source}` : 'nobody moves it';
    const why = state === 'ENABLED' ? (arm?.level > 0 ? arm.message : moved) : driver.reason;
    pill('pill-arm', tone, word, why);
    hint.className = tone;
    hint.textContent = text;
  }
  const policy = statuses['kinevla: policy'];
  if (old(policy, now)) {
    const gone = Boolean(policy);
    pill('pill-policy', gone ? 'bad' : '', gone ? 'no news' : 'not running', gone ? `last heard ${Math.round(now - policy.received_s)} s ago` : 'its node does not report');
  } else {
    const phase = policy.message, waits = phase.startsWith('waiting');
    const busy = ['looking', 'planning', 'moving'].includes(phase);
    const tone = policy.level >= 2 ? 'bad' : policy.level === 1 || waits ? 'warn' : busy ? 'good' : 'info';
    const detail = busy ? policy.values.instruction || '' : waits ? phase : policy.values['last instruction ended'] || '';
    pill('pill-policy', tone, phase === 'idle' ? 'ready' : busy ? 'working' : waits ? 'waiting' : phase, detail);
  }
  const recorder = statuses.recorder;
  if (old(recorder, now)) {
    pill('pill-recorder', recorder ? 'bad' : '', recorder ? 'no news' : 'not running', '');
  } else {
    const on = recorder.values.recording === 'True';
    const tone = recorder.level >= 2 ? 'bad' : on ? (recorder.level === 1 ? 'warn' : 'good') : 'info';
    pill('pill-recorder', tone, on ? 'RECORDING' : 'ready', on ? recorder.message.replace('recording; ', '') : recorder.values.error || '');
  }
  return state;
}

function row(...cells) {
  const line = document.createElement('div');
  for (const [tag, text, tone] of cells) {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (tone) cell.className = tone;
    line.append(cell);
  }
  return line;
}

function fill(id, rows, empty) {
  const list = $(id);
  if (rows.length) {
    list.replaceChildren(...rows);
  } else {
    const text = document.createElement('p');
    text.className = 'empty';
    text.textContent = empty;
    list.replaceChildren(text);
  }
}

/** What the judge of a simulated table thinks so far; nothing beside a real arm. */
export function showJudge(statuses, now) {
  const status = statuses['kine_sim: judge'];
  $('judge').hidden = old(status, now);
  if ($('judge').hidden) return;
  $('judge-says').textContent = status.message;
  $('judge-sentence').textContent = `judged by: ${status.values.sentence}`;
  const reasons = Object.entries(status.values).filter(([key]) => key.startsWith('reason '));
  fill('judge-reasons', reasons.map(([, text]) => {
    const good = text.startsWith('ok');
    return row(['em', good ? 'YES' : 'NO', good ? 'good' : 'warn'], ['b', ''], ['span', text.replace(/^\w+: /, '')]);
  }), 'Nothing judged yet');
}

/** Those of some sentences that name a thing on a simulated table; all where that is not known, or there is none. */
export function fitting(sentences, statuses) {
  const things = (statuses['kine_sim: judge']?.values.things || '').split(', ').filter((name) => name && name !== 'plate');
  const named = sentences.filter((text) => things.some((name) => text.split(/\W+/).includes(name)));
  return named.length ? named : sentences;
}

const LEVELS = [['good', 'OK'], ['warn', 'WARNING'], ['bad', 'ERROR'], ['bad', 'STALE']];

/** Nodes of the graph with their lifecycle state, and what their diagnostics say; those in trouble first. */
export function showNodes(nodes, statuses, now) {
  const rank = { bad: 0, warn: 1, good: 2 };
  const rows = Object.entries(nodes).map(([name, node]) => {
    const short = name.replace(/^\//, '');
    if (!node.there) return row(['em', 'GONE', 'bad'], ['b', short], ['span', 'was there, and is not any more']);
    const found = Object.entries(statuses).find(([key]) => key.split(':')[0].trim() === short);
    const state = node.lifecycle;
    let [tone, word] = state && state !== 'active' ? ['warn', state.toUpperCase()] : ['good', state ? 'ACTIVE' : 'RUNNING'];
    let text = '';
    if (found) {
      const status = found[1], silent = old(status, now);
      if (silent) [tone, word, text] = ['bad', 'SILENT', `no diagnostics for ${Math.round(now - status.received_s)} s`];
      else {
        if (status.level > 0) [tone, word] = LEVELS[Math.min(status.level, 3)];
        text = status.message;
      }
    }
    return row(['em', word, tone], ['b', short], ['span', text]);
  });
  for (const line of rows) line.lastChild.title = line.lastChild.textContent;
  rows.sort((a, b) => rank[a.firstChild.className] - rank[b.firstChild.className]);
  fill('nodes', rows, 'No node was found');
}

let refusalBefore = '';
let zero = new Map();   // what the counters said when the operator began to count
const counter = (c) => `${c.node} ${c.what}`;

function lastRefusal(statuses) { return (statuses['realman_driver: arm'] || { values: {} }).values.last_refusal || ''; }

/** Count from now on. */
export function resetCounters(counters, statuses) {
  zero = new Map(counters.map((c) => [counter(c), c.count]));
  refusalBefore = lastRefusal(statuses);
  $('counters-since').textContent = `since ${new Date().toTimeString().slice(0, 8)}`;
  showCounters(counters, statuses);
}

export function showCounters(counters, statuses) {
  const more = counters.map((c) => {
    const before = zero.get(counter(c)) ?? 0;
    return { ...c, count: c.count < before ? c.count : c.count - before };   // fewer than before: its node began anew
  }).filter((c) => c.count > 0);
  fill('counters', more.map((c) => row(['em', String(c.count), 'warn'], ['b', c.what], ['span', c.node])), 'Nothing refused, nothing dropped');
  const last = lastRefusal(statuses);
  $('last-refusal').textContent = last && last !== refusalBefore ? `Last refused chunk: ${last}` : '';
}

const WORDS = { command: ['DONE', 'REFUSED'], arm: ['ARM', 'ARM'], node: ['NODE', 'NODE'], page: ['PAGE', 'PAGE'] };

/** The log, newest first: what the console knows of, and what befell this page itself. */
export function showEvents(events) {
  const rows = [...events].sort((a, b) => b.time_s - a.time_s).map((e) => row(
    ['time', new Date(e.time_s * 1000).toTimeString().slice(0, 8)],
    ['em', (WORDS[e.kind] || WORDS.command)[e.ok ? 0 : 1], e.ok ? 'good' : 'bad'],
    ['b', `${e.what.replaceAll('_', ' ')} (${e.who})`],
    ['span', e.message],
  ));
  for (const line of rows) line.lastChild.title = line.lastChild.textContent;
  fill('events', rows, 'Nothing yet');
}

function set(id, text) {
  const node = $(id);
  if (node.textContent === text) return;
  node.textContent = text;
  node.classList.remove('changed');
  void node.offsetWidth;   // starts the animation anew
  node.classList.add('changed');
}

function codes(id, list) {
  $(id).replaceChildren(...list.map((code) => {
    const box = document.createElement('code');
    box.textContent = code;
    return box;
  }));
}

export function showPlan(plan, now) {
  $('plan-empty').hidden = true;
  $('plan').hidden = false;
  set('goal-reasoning', plan.goal_reasoning || '(none)');
  set('kinematics-reasoning', plan.kinematics_reasoning || '(none)');
  codes('goal-codes', plan.goal_codes);
  codes('kinematics-codes', plan.kinematics_codes);
  const age = Math.max(0, Math.round(now - plan.received_s));
  $('plan-text').textContent = `chunk ${plan.chunk_id} of instruction ${plan.instruction_id}, ` +
    `${plan.fresh ? 'written anew' : 'checked and kept'}${age > 2 ? `, ${age} s ago` : ''}`;
}
