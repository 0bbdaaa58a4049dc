// What was found: a strip of pictures, and the threshold below which two pictures are taken for the same person.

import { show } from './api.js';
import { find, make } from './find.js';

const percent = (share) => `${Number((100 * share).toPrecision(2))} %`;
const count = (number) => Math.round(number).toLocaleString('en');

export const timeText = (iso) => (iso ? new Date(iso).toLocaleString('sv') : 'not known');
// A name, or else the number; the number of a name that is not kept is larger than a script keeps exactly.
export function label(hit, what) {
  const number = hit[what];
  return hit[`${what}_name`] ?? (Number.isSafeInteger(number) ? String(number) : null);
}

export const cameraText = (hit) => label(hit, 'camera') ?? (hit.camera === null ? 'not known' : 'without a name');

// [threshold, false-match rate, true-match rate] where they were measured, ascending.
function measured(calibrated) {
  if (!calibrated) return [];
  const chosen = [calibrated.threshold, calibrated.false_match_rate, calibrated.true_match_rate];
  return [...calibrated.rates, chosen].sort((one, other) => one[0] - other[0]);
}

export function rateText(calibrated, threshold, searched) {
  if (!calibrated) {
    return ['The model is not calibrated, so no rate is known at any distance: ', 'strongreid calibrate RUN', ' measures it.'];
  }
  const points = measured(calibrated);
  const above = points.find(([limit]) => limit >= threshold);
  if (!above) return ['', 'Not measured', ` at so large a distance: the calibration ends at ${points.at(-1)[0].toFixed(3)}.`];
  const below = points.findLast(([limit]) => limit <= threshold);
  const found = below ? ` At least ${percent(below[2])} of pairs of the same person are below.` : '';
  const expected = above[1] * searched;
  const wrong = expected < 1 ? 'less than one' : `up to about ${count(expected)}`;
  return [
    'False-match rate at most ',
    percent(above[1]),
    ` a pair: among ${count(searched)} pictures of others, ${wrong} would be below by chance.${found}`,
  ];
}

// A line of parts, each [class, text, words before it for those who cannot see].
function line(classes, ...parts) {
  const found = make('p', classes);
  for (const [name, text, before] of parts) {
    if (before) found.append(make('span', 'unseen', before));
    found.append(make('span', name, String(text)));
  }
  return found;
}

export class Results {
  #calibrated = null;
  #needed = 1;
  #compare;
  #searched = 0;
  #tiles = [];

  constructor(compare) {
    this.#compare = compare;
    find('threshold').addEventListener('input', () => this.#judge());
    find('strip').addEventListener('keydown', (event) => this.#move(event));
  }

  setUp({ calibrated, confirmations }) {
    [this.#calibrated, this.#needed] = [calibrated, confirmations];
    find('measured').hidden = !calibrated;
    find('measured-words').textContent = calibrated ? `${calibrated.words} Other cameras may be harder.` : '';
  }

  fill(answer) {
    this.#searched = answer.searched;
    this.#tiles = answer.hits.map((hit) => this.#tile(answer.search, hit));
    find('strip').replaceChildren(...this.#tiles.map(({ tile }) => tile));
    const farthest = Math.max(0, ...answer.hits.map(({ distance }) => distance));
    const slider = find('threshold');
    const before = slider.dataset.set ? slider.valueAsNumber : (this.#calibrated?.threshold ?? 0);
    slider.max = Math.max(1.02 * farthest, 1.5 * (this.#calibrated?.threshold ?? 0), 1e-6);
    slider.value = before;
    slider.dataset.set = 'yes';
    find('found').hidden = false;
    this.#judge();
  }

  confirmed(key, names) {
    for (const { hit, tile } of this.#tiles) if (hit.key === key) this.#setConfirmed(tile, names);
  }

  #tile(search, hit) {
    const tile = make('li', 'tile');
    const look = make('button', 'look');
    look.type = 'button';
    const image = make('img');
    image.alt = '';
    look.append(image);
    look.setAttribute('aria-label', `Compare: rank ${hit.rank}, camera ${cameraText(hit)}, distance ${hit.distance.toFixed(3)}`);
    look.addEventListener('click', () => this.#compare(search, hit));
    show(image, hit.thumbnail).catch(() => look.replaceChildren(make('span', '', 'no picture kept')));
    const facts = make('div', 'facts');
    const known = ['person', 'track'].filter((what) => label(hit, what) !== null).map((what) => `${what} ${label(hit, what)}`);
    facts.append(
      make('p', 'verdict'),
      line('place', ['rank', hit.rank, 'Rank '], ['distance', hit.distance.toFixed(3), 'distance ']),
      line('', ['', 'camera '], ['camera', cameraText(hit)]),
      make('p', 'time', timeText(hit.time)),
      make('p', '', known.join(' · ')),
    );
    const confirm = make('button', '', 'Confirm …');
    confirm.type = 'button';
    confirm.setAttribute('aria-label', `Confirm rank ${hit.rank}`);
    confirm.addEventListener('click', () => this.#compare(search, hit));
    tile.append(look, facts, confirm);
    this.#setConfirmed(tile, hit.confirmed_by);
    return { tile, hit };
  }

  #setConfirmed(tile, names) {
    tile.querySelector('.confirmed')?.remove();
    if (!names.length) return;
    const done = names.length >= this.#needed;
    const text = done ? `Confirmed by ${names.join(', ')}` : `Confirmed by ${names.join(', ')}; a second person is needed`;
    tile.append(make('p', done ? 'confirmed done' : 'confirmed', text), tile.querySelector(':scope > button:not(.look)'));
  }

  #judge() {
    const threshold = find('threshold').valueAsNumber;
    find('threshold-value').textContent = threshold.toFixed(3);
    const [before, strong, after] = rateText(this.#calibrated, threshold, this.#searched);
    find('rate').replaceChildren(before, make('strong', '', strong), after);
    find('threshold').setAttribute('aria-valuetext', `distance ${threshold.toFixed(3)}, ${before}${strong}`);
    for (const { hit, tile } of this.#tiles) {
      const same = hit.distance < threshold;
      tile.classList.toggle('same', same);
      tile.classList.toggle('other', !same);
      const words = same ? '✓ same person' : 'no match';
      tile.querySelector('.verdict').textContent = this.#calibrated ? words : 'not sure';
    }
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tiles = [...find('strip').querySelectorAll('.look')];
    const next = tiles[tiles.indexOf(document.activeElement) + step];
    if (step && next && document.activeElement.matches('.look')) {
      event.preventDefault();
      next.focus();
    }
  }
}
