// The arm in three dimensions on a plain 2-D canvas: no WebGL, so it also works over a remote desktop.

const LOOKS = { shell: [222, 228, 234], joint: [84, 96, 110], accent: [74, 150, 232], pad: [232, 160, 60] };
const SIDES = 16;
const LIGHT = normalise([0.45, 0.35, 0.85]);
const TARGET = [0.13, 0, 0.27];
const TRAIL = 120;

function normalise(v) { const l = Math.hypot(...v); return v.map((x) => x / l); }
function cross(a, b) { return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]; }
function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
function minus(a, b) { return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]; }
function place(t, p) {
  const r = t.r;
  return [0, 1, 2].map((i) => r[i][0] * p[0] + r[i][1] * p[1] + r[i][2] * p[2] + t.p[i]);
}
function times(a, b) {
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]));
}
function turn(axis, angle) {
  const [x, y, z] = axis, c = Math.cos(angle), s = Math.sin(angle), k = 1 - c;
  return [
    [c + x * x * k, x * y * k - z * s, x * z * k + y * s],
    [y * x * k + z * s, c + y * y * k, y * z * k - x * s],
    [z * x * k - y * s, z * y * k + x * s, c + z * z * k],
  ];
}

/** Frames of base and links for joint positions in rad: [{r: 3x3, p: 3}], base first. */
export function frames(table, joints) {
  const list = [{ r: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], p: [0, 0, 0] }];
  table.joints.forEach((joint, index) => {
    const parent = list[index];
    const r = times(times(parent.r, turn([1, 0, 0], joint.roll_rad)), turn(joint.axis, joints[index]));
    list.push({ r, p: place(parent, joint.origin_m) });
  });
  return list;
}

/** Faces of a shape as lists of points, in the frame of its link, corners counter-clockwise from outside. */
function faces(shape) {
  if (shape.kind === 'box') {
    const [a, b, c] = shape.half_m, [x, y, z] = shape.centre_m;
    const corner = (i, j, k) => [x + i * a, y + j * b, z + k * c];
    const quad = (f) => [f(-1, -1), f(1, -1), f(1, 1), f(-1, 1)];
    return [
      quad((u, v) => corner(u, v, 1)), quad((u, v) => corner(-u, v, -1)),
      quad((u, v) => corner(1, u, v)), quad((u, v) => corner(-1, -u, v)),
      quad((u, v) => corner(-u, 1, v)), quad((u, v) => corner(u, -1, v)),
    ];
  }
  const along = normalise(minus(shape.to_m, shape.from_m));
  const side = normalise(cross(along, Math.abs(along[0]) < 0.8 ? [1, 0, 0] : [0, 1, 0]));
  const other = cross(along, side);
  const ring = (centre, radius, shift) => Array.from({ length: SIDES }, (_, k) => {
    const c = radius * Math.cos((2 * Math.PI * k) / SIDES), s = radius * Math.sin((2 * Math.PI * k) / SIDES);
    return [0, 1, 2].map((i) => centre[i] + c * side[i] + s * other[i] + shift * along[i]);
  });
  const r = shape.radius_m, rings = [];
  if (shape.kind === 'capsule') {
    for (const a of [-1.2, -0.7]) rings.push(ring(shape.from_m, r * Math.cos(a), r * Math.sin(a)));
  }
  rings.push(ring(shape.from_m, r, 0), ring(shape.to_m, r, 0));
  if (shape.kind === 'capsule') {
    for (const a of [0.7, 1.2]) rings.push(ring(shape.to_m, r * Math.cos(a), r * Math.sin(a)));
  }
  const list = [[...rings[0]].reverse(), rings[rings.length - 1]];
  for (let n = 0; n + 1 < rings.length; n++) {
    for (let k = 0; k < SIDES; k++) {
      const next = (k + 1) % SIDES;
      list.push([rings[n][k], rings[n][next], rings[n + 1][next], rings[n + 1][k]]);
    }
  }
  return list;
}

export class Arm {
  constructor(canvas, table) {
    this.canvas = canvas;
    this.table = table;
    this.parts = table.links.map((shapes) => shapes.map((s) => ({ look: LOOKS[s.look], faces: faces(s) })));
    this.fingers = Object.values(table.fingers).map((finger) => ({
      axis: finger.axis, shapes: finger.shapes.map((s) => ({ look: LOOKS[s.look], faces: faces(s) })),
    }));
    this.azimuth = 0.75;
    this.elevation = 0.42;
    this.distance = 1.32;
    this.joints = null;
    this.trail = [];
    this.mouse();
  }

  mouse() {
    const canvas = this.canvas;
    let from = null;
    canvas.addEventListener('pointerdown', (e) => { from = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener('pointerup', () => { from = null; });
    canvas.addEventListener('pointermove', (e) => {
      if (!from) return;
      this.azimuth -= (e.clientX - from[0]) * 0.01;
      this.elevation = Math.min(1.45, Math.max(0.02, this.elevation + (e.clientY - from[1]) * 0.01));
      from = [e.clientX, e.clientY];
      this.draw();
    });
    canvas.addEventListener('wheel', (e) => {
      e.preventDefault();
      this.distance = Math.min(4, Math.max(0.7, this.distance * Math.exp(e.deltaY * 0.001)));
      this.draw();
    }, { passive: false });
  }

  /** Joint positions in rad and the opening, 0 closed .. 1 open. */
  set(joints, opening) {
    this.joints = joints;
    this.opening = opening ?? 0;
    this.frames = frames(this.table, joints);
    const tool = this.tool(), last = this.trail[this.trail.length - 1];
    if (!last || Math.hypot(...minus(tool, last)) > 0.004) this.trail.push(tool);
    if (this.trail.length > TRAIL) this.trail.shift();
    this.draw();
  }

  /** Tool centre in the base frame, m. */
  tool() {
    return place(this.frames[this.frames.length - 1], [0, 0, this.table.tool_m]);
  }

  draw() {
    if (!this.joints) return;
    const canvas = this.canvas, scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const g = canvas.getContext('2d');
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    const e = this.elevation, a = this.azimuth;
    const back = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
    const right = normalise(cross([0, 0, 1], back)), up = cross(back, right);
    const eye = [0, 1, 2].map((i) => TARGET[i] + this.distance * back[i]);
    const focal = 1.5 * Math.min(height, width * 0.8);
    const project = (p) => {
      const d = minus(p, eye), depth = -dot(d, back);
      return [width / 2 + (focal * dot(d, right)) / depth, height / 2 - (focal * dot(d, up)) / depth, depth];
    };
    this.ground(g, project);
    const list = [];
    const add = (shapes, frame, shift) => {
      for (const shape of shapes) {
        for (const face of shape.faces) {
          const points = face.map((p) => place(frame, shift ? [0, 1, 2].map((i) => p[i] + shift[i]) : p));
          list.push({ points, look: shape.look });
        }
      }
    };
    this.parts.forEach((shapes, index) => add(shapes, this.frames[index]));
    for (const finger of this.fingers) {
      const travel = this.opening * this.table.finger_travel_m;
      add(finger.shapes, this.frames[this.frames.length - 1], finger.axis.map((x) => x * travel));
    }
    g.fillStyle = '#0c1218';
    for (const face of list) this.fill(g, face.points.map((p) => project([p[0] + 0.12 * p[2], p[1] + 0.1 * p[2], 0])));
    for (const face of list) {
      const [p, q, s] = face.points;
      face.normal = normalise(cross(minus(q, p), minus(s, p)));
      face.flat = face.points.map(project);
      face.depth = face.flat.reduce((sum, c) => sum + c[2], 0) / face.flat.length;
    }
    for (const face of list.filter((f) => dot(f.normal, minus(eye, f.points[0])) > 0).sort((x, y) => y.depth - x.depth)) {
      const shade = 0.42 + 0.58 * Math.max(0, dot(face.normal, LIGHT));
      g.fillStyle = g.strokeStyle = `rgb(${face.look.map((c) => Math.round(c * shade)).join(' ')})`;
      this.fill(g, face.flat);
      g.lineWidth = 0.7;
      g.stroke();
    }
    g.strokeStyle = '#f0b42999';
    g.lineWidth = 1.6;
    this.line(g, this.trail.map(project));
  }

  ground(g, project) {
    g.lineWidth = 1;
    for (let k = -6; k <= 6; k++) {
      g.strokeStyle = k === 0 ? '#3d4d5f' : '#243140';
      this.line(g, [project([-0.6, k / 10, 0]), project([0.6, k / 10, 0])]);
      this.line(g, [project([k / 10, -0.6, 0]), project([k / 10, 0.6, 0])]);
    }
    g.lineWidth = 2.5;
    g.strokeStyle = '#e05252'; this.line(g, [project([0, 0, 0]), project([0.2, 0, 0])]);
    g.strokeStyle = '#4fb36b'; this.line(g, [project([0, 0, 0]), project([0, 0.2, 0])]);
    g.font = '12px system-ui, sans-serif';
    g.fillStyle = '#9aa9b8';
    for (const [text, at] of [['x', [0.23, 0, 0]], ['y', [0, 0.23, 0]]]) {
      const [x, y] = project(at);
      g.fillText(text, x - 3, y + 4);
    }
  }

  line(g, points) {
    g.beginPath();
    points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)));
    g.stroke();
  }

  fill(g, points) {
    g.beginPath();
    points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)));
    g.closePath();
    g.fill();
  }
}
