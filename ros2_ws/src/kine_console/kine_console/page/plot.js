// Curves over the last seconds, on a canvas.

const LEFT = 44, BOTTOM = 16, TOP = 6, RIGHT = 8;
const LINE = 18;   // pixels between two labels, at least

function step(range, lines) {
  const raw = range / lines, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((k) => k * power).find((s) => s >= raw);
}

export class Plot {
  /**
   * colours: one per curve; seconds: width; low, least: lowest value shown and smallest range; dots: mark the points.
   * `limits`, one per curve: drawn dashed at plus and minus, where they are in sight.
   */
  constructor(canvas, { colours, seconds, low = null, least = 1, dots = false }) {
    Object.assign(this, { canvas, colours, seconds, low, least, dots });
    this.rows = [];
    this.limits = [];
  }

  /** A row: time in s, then one value per curve, or null. */
  add(row) {
    this.rows.push(row);
    const oldest = row[0] - this.seconds - 1;
    while (this.rows.length && this.rows[0][0] < oldest) this.rows.shift();
  }

  draw(now) {
    const canvas = this.canvas, scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const g = canvas.getContext('2d');
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    const rows = this.rows.filter((r) => r[0] >= now - this.seconds);
    const values = rows.flatMap((r) => r.slice(1)).filter((v) => v !== null);
    let low = this.low ?? Math.min(...values, 0), high = Math.max(...values, low + this.least);
    if (this.low === null && values.length) {
      low = Math.min(...values);
      high = Math.max(...values, low + this.least);
    }
    const pad = (high - low) * 0.06;
    high += pad;
    if (this.low === null) low -= pad;
    const x = (t) => LEFT + ((t - now + this.seconds) / this.seconds) * (width - LEFT - RIGHT);
    const y = (v) => height - BOTTOM - ((v - low) / (high - low)) * (height - BOTTOM - TOP);
    g.font = '11px system-ui, sans-serif';
    g.fillStyle = '#9aa9b8';
    g.strokeStyle = '#243140';
    g.lineWidth = 1;
    const size = step(high - low, Math.max(2, Math.floor(height / LINE)));
    g.textAlign = 'right';
    g.textBaseline = 'middle';
    for (let v = Math.ceil(low / size) * size; v <= high; v += size) {
      g.beginPath(); g.moveTo(LEFT, y(v)); g.lineTo(width - RIGHT, y(v)); g.stroke();
      g.fillText(String(Math.round(v * 100) / 100), LEFT - 6, y(v));
    }
    g.textBaseline = 'alphabetic';
    for (let s = 0; s <= this.seconds; s += this.seconds / 3) {
      g.textAlign = s === 0 ? 'right' : s === this.seconds ? 'left' : 'center';
      g.fillText(s === 0 ? 'now' : `-${s} s`, x(now - s), height - 3);
    }
    g.setLineDash([5, 4]);
    this.limits.forEach((limit, k) => {
      g.strokeStyle = this.colours[k];
      for (const v of [-limit, limit]) {
        if (v > low && v < high) { g.beginPath(); g.moveTo(LEFT, y(v)); g.lineTo(width - RIGHT, y(v)); g.stroke(); }
      }
    });
    g.setLineDash([]);
    g.lineWidth = 1.6;
    this.colours.forEach((colour, k) => {
      g.strokeStyle = g.fillStyle = colour;
      g.beginPath();
      let pen = false, before = 0;
      for (const row of rows) {
        const v = row[k + 1];
        if (v === null) { pen = false; continue; }
        if (pen && row[0] - before < 5) g.lineTo(x(row[0]), y(v)); else g.moveTo(x(row[0]), y(v));
        pen = true;
        before = row[0];
      }
      g.stroke();
      if (this.dots) for (const row of rows) if (row[k + 1] !== null) g.fillRect(x(row[0]) - 1.5, y(row[k + 1]) - 1.5, 3, 3);
    });
  }
}
