// The photograph: chosen, dropped or pasted; and the box around a person in it, drawn or typed, in its own pixels.

import { find } from './find.js';

const LONGEST = 1200; // pixels of the longer side of the copy that is shown
const SMALLEST = 8; // pixels of a box; less is a click
const sides = ['x', 'y', 'w', 'h'];

export class Photograph {
  file = null;
  box = null; // {x, y, w, h}
  #size = null; // {width, height}
  #changed;

  constructor(changed) {
    this.#changed = changed;
    find('file').addEventListener('change', ({ target }) => this.take(target.files[0]));
    find('another').addEventListener('click', () => find('file').click());
    find('whole').addEventListener('click', () => this.#setBox(null));
    for (const side of sides) find(`box-${side}`).addEventListener('change', () => this.#readBox());
    document.addEventListener('paste', (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
      if (file) this.take(file);
    });
    this.#acceptDrops();
    this.#acceptDrawing();
  }

  async take(file) {
    if (!file) return;
    [this.file, this.#size] = [file, null];
    find('file').value = '';
    const canvas = find('picture');
    try {
      const picture = await createImageBitmap(file);
      this.#size = { width: picture.width, height: picture.height };
      const scale = LONGEST / Math.max(picture.width, picture.height);
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
      picture.close();
    } catch {
      // The service reads formats that browsers do not show.
    }
    find('invitation').hidden = true;
    find('frame').hidden = !this.#size;
    find('drop').classList.add('full');
    find('about-picture').hidden = false;
    this.#setBox(null);
  }

  // Draw what is searched with onto another canvas, for showing it beside a hit.
  copyTo(canvas) {
    const source = find('picture');
    if (!this.#size) return;
    const scale = source.width / this.#size.width;
    const { x, y, w, h } = this.box ?? { x: 0, y: 0, w: this.#size.width, h: this.#size.height };
    [canvas.width, canvas.height] = [Math.max(1, w * scale), Math.max(1, h * scale)];
    canvas.getContext('2d').drawImage(source, x * scale, y * scale, w * scale, h * scale, 0, 0, canvas.width, canvas.height);
  }

  #setBox(box) {
    this.box = box;
    const shown = find('box');
    shown.hidden = !box;
    find('whole').hidden = !box;
    for (const side of sides) find(`box-${side}`).value = box ? box[side] : '';
    if (box) {
      const share = (value, whole) => `${(100 * value) / whole}%`;
      shown.style.left = share(box.x, this.#size.width);
      shown.style.top = share(box.y, this.#size.height);
      shown.style.width = share(box.w, this.#size.width);
      shown.style.height = share(box.h, this.#size.height);
    }
    const note = find('picture-note');
    if (!this.#size) note.textContent = `${this.file.name}: this browser cannot show it, the service may read it.`;
    else if (box) note.textContent = `Box of ${box.w} × ${box.h} pixels.`;
    else note.textContent = `${this.#size.width} × ${this.#size.height} pixels. More than one person in it? Draw a box around one.`;
    this.#changed();
  }

  #readBox() {
    const [x, y, w, h] = sides.map((side) => find(`box-${side}`).valueAsNumber);
    if (this.#size && [x, y, w, h].every(Number.isInteger)) this.#setBox(this.#within(x, y, x + w, y + h));
  }

  #within(x1, y1, x2, y2) {
    const { width, height } = this.#size;
    const clip = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
    const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)].map((value) => clip(value, width));
    const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)].map((value) => clip(value, height));
    const [w, h] = [right - left, bottom - top];
    return w < SMALLEST || h < SMALLEST ? null : { x: left, y: top, w, h };
  }

  #acceptDrops() {
    const drop = find('drop');
    const over = (event, on) => {
      event.preventDefault(); // else the browser opens the file
      drop.classList.toggle('over', on);
    };
    document.addEventListener('dragover', (event) => over(event, true));
    document.addEventListener('dragleave', (event) => over(event, false));
    document.addEventListener('drop', (event) => {
      over(event, false);
      if (!find('work').hidden) this.take(event.dataTransfer.files[0]);
    });
  }

  #acceptDrawing() {
    const frame = find('frame');
    let start = null;
    const at = (event) => {
      const { left, top, width, height } = find('picture').getBoundingClientRect();
      return [((event.clientX - left) / width) * this.#size.width, ((event.clientY - top) / height) * this.#size.height];
    };
    frame.addEventListener('pointerdown', (event) => {
      start = at(event);
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener('pointermove', (event) => {
      if (start) this.#setBox(this.#within(...start, ...at(event)));
    });
    for (const name of ['pointerup', 'pointercancel']) frame.addEventListener(name, () => (start = null));
  }
}
