// Before anything is drawn: the theme that was chosen last, else that of the system.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem('erpgres-theme'); } catch (error) { /* storage is off */ }
  var dark = chosen ? chosen === 'dark' : window.matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  document.documentElement.classList.toggle('dark-mode', dark); // what Swagger UI looks for
})();
