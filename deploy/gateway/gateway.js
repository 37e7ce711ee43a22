// What nginx calls (nginx.conf says when). njs runs all modules anew for each request, and each function that it has to make costs: so
// hits.js alone does what answers from memory and most other reads need, and the rules are made by the first who needs them.
import hits from 'hits.js';
import make from 'rules.js';

let made;

function rules() {
  if (made === undefined) {
    made = make();
  }
  return made;
}

function verdict(r) {
  const ruling = hits.judge(r);
  return ruling === undefined ? rules().verdict(r) : ruling;
}

function cached(r) {
  hits.give(r);
}

function limit(r) {
  const words = hits.caller();
  return words === undefined ? rules().limit(r) : `user ${words[5]}`;
}

function caller(r) {
  const words = hits.caller();
  return words === undefined ? rules().caller(r) : `ok ${words[5]} ${words[6]} ${words[7]}`;
}

function keys(r) {
  return hits.caller() === undefined ? rules().keys(r) : hits.names(r);
}

function query(r) {
  return hits.caller() === undefined ? rules().query(r) : hits.query(r);
}

function told(r) {
  return rules().told(r);
}

function refusal(r) {
  return rules().refusal(r);
}

function failure(r) {
  return rules().failure(r);
}

function front(r) {
  return rules().front(r);
}

function health(r) {
  return rules().health(r);
}

function total(r) {
  return rules().total(r);
}

function versions(r) {
  return rules().versions(r);
}

function filter_header(r) {
  if (hits.caller() === undefined || r.status >= 400) {
    rules().filter_header(r);
  }
}

function filter_counted(r) {
  return rules().filter_counted(r);
}

function filter_body(r, data, flags) {
  if (hits.caller() === undefined || r.status >= 400) {
    rules().filter_body(r, data, flags);
    return;
  }
  r.sendBuffer(data, flags);
  r.done();
}

export default {
  verdict, query, told, limit, caller, keys, refusal, failure, front, health, filter_header, filter_body, cached, total,
  filter_counted, versions,
};
