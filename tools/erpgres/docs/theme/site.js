// Theme, menu and search. Search is loaded when it is first used and works without a network, also from the disk.
(function () {
  'use strict';
  const root = document.documentElement;
  const base = root.dataset.base;
  const field = document.getElementById('site-search');
  const results = document.getElementById('results');
  const menu = document.getElementById('menu');

  document.getElementById('theme').addEventListener('click', () => {
    const dark = root.dataset.theme !== 'dark';
    root.dataset.theme = dark ? 'dark' : 'light';
    root.classList.toggle('dark-mode', dark);
    try { localStorage.setItem('erpgres-theme', root.dataset.theme); } catch (error) { /* storage is off */ }
  });

  menu.addEventListener('click', () => {
    const open = document.body.classList.toggle('menu');
    menu.setAttribute('aria-expanded', String(open));
  });

  const here = document.querySelector('#nav .here');
  if (here && here.offsetTop > window.innerHeight) {
    document.getElementById('nav').scrollTop = here.offsetTop - window.innerHeight / 2;
  }

  for (const figure of document.querySelectorAll('figure.diagram')) {
    // Only where something was made smaller.
    const button = figure.querySelector('button');
    const natural = (svg) => svg.viewBox.baseVal.width * 4 / 3; // its width is in points
    button.hidden = ![...figure.querySelectorAll('svg')].some((svg) => natural(svg) > svg.clientWidth + 2);
    button.addEventListener('click', () => {
      button.textContent = figure.classList.toggle('full') ? 'Fit to the page' : 'Full size';
    });
  }

  // ---- search --------------------------------------------------------------------------------------------------

  let index = null;

  function load(name) {
    return new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = base + 'assets/' + name;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  }

  function words(text) {
    return text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean); // names by their parts: wms_document_post
  }

  async function ready() {
    if (index === null) {
      index = Promise.all([load('minisearch.js'), load('search-index.js')]).then(() => {
        const made = new window.MiniSearch({
          fields: ['h', 't', 'x'],
          storeFields: ['h', 't', 'u', 'x', 'g'],
          tokenize: words,
          searchOptions: { prefix: true, fuzzy: (word) => (word.length > 5 ? 0.15 : false), combineWith: 'AND',
                           boost: { h: 6, t: 3 } },
        });
        made.addAll(window.SEARCH);
        return made;
      });
    }
    return index;
  }

  function excerpt(text, terms) {
    const lower = text.toLowerCase();
    const at = Math.max(0, ...terms.map((term) => lower.indexOf(term)).filter((found) => found >= 0).slice(0, 1));
    return (at > 50 ? '… ' : '') + text.slice(Math.max(0, at - 50), at + 90) + '…';
  }

  async function search() {
    const asked = field.value.trim();
    if (!asked) {
      results.hidden = true;
      return;
    }
    const found = (await ready()).search(asked).slice(0, 12);
    results.replaceChildren(...found.map((one) => {
      const line = document.createElement('li');
      const link = document.createElement('a');
      link.href = base + one.u;
      const title = document.createElement('b');
      title.textContent = one.h || one.t;
      const where = document.createElement('small');
      where.textContent = one.h ? one.t : one.g;
      const text = document.createElement('span');
      text.textContent = excerpt(one.x, one.terms);
      link.append(title, where, text);
      line.append(link);
      return line;
    }));
    if (!found.length) {
      const line = document.createElement('li');
      line.className = 'none';
      line.textContent = 'Nothing found';
      results.append(line);
    }
    results.hidden = false;
  }

  field.addEventListener('focus', ready);
  field.addEventListener('input', search);
  field.form.addEventListener('submit', (event) => {
    event.preventDefault();
    const first = results.querySelector('a');
    if (first) location.href = first.href;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field.focus();
    } else if (event.key === 'Escape') {
      results.hidden = true;
      field.blur();
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && !results.hidden) {
      const links = [...results.querySelectorAll('a')];
      const at = links.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
      event.preventDefault();
      (links[at] || field).focus();
    }
  });
  document.addEventListener('click', (event) => {
    if (!event.target.closest('.search')) results.hidden = true;
  });
})();
