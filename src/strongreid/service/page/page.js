// The page: signing in, searching, comparing and confirming.

import * as api from './api.js';
import { find, make } from './find.js';
import { Photograph } from './photograph.js';
import { Results, cameraText, timeText } from './results.js';

const photograph = new Photograph(() => (find('search').disabled = !photograph.file));
const results = new Results(compare);
let compared = null; // {search, hit}
let needed = 1;

function say(text, wrong = false) {
  find('status').textContent = text;
  find('status').classList.toggle('wrong', wrong);
}

function ask(problem = '') {
  api.signOut();
  for (const id of ['work', 'sign-out']) find(id).hidden = true;
  find('about').textContent = '';
  find('sign-in').hidden = false;
  find('sign-in-problem').textContent = problem;
  find('token').focus();
}

async function open() {
  let about;
  try {
    about = await api.about();
  } catch (problem) {
    ask(problem.status === 401 ? 'This token is nobody’s. Ask whoever runs the service.' : problem.message);
    return;
  }
  const name = about.gallery.split('/').filter(Boolean).pop();
  find('about').textContent = `${about.count.toLocaleString('en')} pictures in ${name} · signed in as ${about.who}`;
  needed = about.confirmations;
  results.setUp(about);
  fillCameras(about.camera_names);
  find('sign-in').hidden = true;
  for (const id of ['work', 'sign-out']) find(id).hidden = false;
  say('Drop a photograph of a person anywhere on this page, or choose one.');
  await listWaiting();
}

function fillCameras(cameras) {
  find('cameras-set').hidden = cameras.length < 2;
  const chips = cameras.map((camera) => {
    const [label, box] = [make('label'), make('input')];
    Object.assign(box, { type: 'checkbox', defaultChecked: true, value: camera });
    box.setAttribute('aria-label', `Camera ${camera}`);
    label.append(box, make('span', '', camera));
    return label;
  });
  find('cameras').replaceChildren(...chips);
}

function parameters() {
  const found = new URLSearchParams({ k: find('count').value, by: find('by').value });
  const boxes = [...find('cameras').querySelectorAll('input')];
  if (boxes.some(({ checked }) => !checked)) {
    for (const { checked, value } of boxes) if (!checked) found.append('not_camera', value);
  }
  for (const name of ['after', 'before']) {
    if (find(name).value) found.set(name, new Date(find(name).value).toISOString());
  }
  for (const name of ['person', 'track']) if (find(name).value.trim()) found.set(name, find(name).value.trim());
  if (photograph.box) for (const [side, value] of Object.entries(photograph.box)) found.set(side, value);
  return found;
}

async function search(event) {
  event.preventDefault();
  if (!photograph.file) return;
  find('search').disabled = true;
  say('Searching …');
  try {
    const answer = await api.search(photograph.file, parameters());
    results.fill(answer);
    const hits = answer.hits.length;
    say(hits ? `The ${hits} nearest of ${answer.searched.toLocaleString('en')} pictures.` : 'No picture fits these filters.');
    find('found').focus({ preventScroll: true });
    if (find('found').getBoundingClientRect().top > innerHeight * 0.7) find('status').scrollIntoView({ behavior: 'smooth' });
  } catch (problem) {
    if (problem.status === 401) ask(problem.message);
    else say(problem.message, true);
  } finally {
    find('search').disabled = false;
  }
}

// Without `queryPath` the query is the photograph on the page.
function compare(search, hit, queryPath = null) {
  compared = { search, hit };
  const query = find('compare-query');
  if (queryPath) api.show(query, queryPath).catch(() => query.removeAttribute('src'));
  else {
    const canvas = document.createElement('canvas');
    photograph.copyTo(canvas);
    query.removeAttribute('src');
    canvas.toBlob((blob) => blob && (query.src = URL.createObjectURL(blob)), 'image/jpeg', 0.9);
  }
  find('compare-hit').alt = `Picture of rank ${hit.rank ?? ''}`;
  find('compare-hit').removeAttribute('src');
  api.show(find('compare-hit'), hit.thumbnail).catch(() => {});
  find('compare-caption').textContent = `Camera ${cameraText(hit)}, ${timeText(hit.time)}, distance ${hit.distance.toFixed(3)}`;
  find('compare-note').textContent = needed > 1
    ? 'Look at both yourself. The match counts after a second person has confirmed it too; both names go into the audit log.'
    : 'Look at both yourself. Your name and this match go into the audit log.';
  find('compare-problem').textContent = '';
  find('compare').showModal();
}

async function confirm() {
  find('confirm').disabled = true;
  try {
    const { confirmed_by: names, counts } = await api.confirm(compared.search, compared.hit.key);
    results.confirmed(compared.hit.key, names);
    find('compare').close();
    say(counts ? `Confirmed by ${names.join(', ')}.` : `Confirmed by ${names.join(', ')}; it counts once a second person has confirmed it.`);
    await listWaiting();
  } catch (problem) {
    find('compare-problem').textContent = problem.message;
  } finally {
    find('confirm').disabled = false;
  }
}

async function listWaiting() {
  if (needed < 2) return;
  const { matches } = await api.waiting();
  find('waiting').hidden = !matches.length;
  find('waiting-strip').replaceChildren(...matches.map(waitingTile));
}

function waitingTile(match) {
  const [tile, look] = [make('li', 'tile'), make('button', 'look')];
  look.type = 'button';
  look.setAttribute('aria-label', `Compare the match that ${match.confirmed_by.join(', ')} confirmed`);
  for (const path of [match.query, match.thumbnail]) {
    const image = make('img');
    image.alt = '';
    look.append(image);
    api.show(image, path).catch(() => image.replaceWith(make('span', '', 'no picture kept')));
  }
  look.addEventListener('click', () => compare(match.search, match, match.query));
  tile.append(look, make('p', 'confirmed', `Confirmed by ${match.confirmed_by.join(', ')}`));
  return tile;
}

find('filters').addEventListener('submit', search);
find('confirm').addEventListener('click', confirm);
find('cancel').addEventListener('click', () => find('compare').close());
find('sign-out').addEventListener('click', () => {
  ask();
  location.reload(); // nothing of the last user stays on the page
});
find('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  api.signIn(find('token').value);
  find('token').value = '';
  open();
});
api.signInFromAddress();
if (api.signedIn()) open();
else ask();
