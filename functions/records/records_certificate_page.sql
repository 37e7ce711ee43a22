-- The certificate as a page to print.

create or replace function api.records_certificate_page(id uuid)
-- lint: allow sqlfluff.RF05: PostgREST takes the name of the domain for the media type
returns core."text/html"
language plpgsql
stable
parallel safe
as $$
declare
  v_certificate api.records_certificates;
  v_manifest jsonb;
  v_documents text;
  v_signatures text;
  v_approvals text;
begin
  select c.* into v_certificate from api.records_certificates as c where c.id = records_certificate_page.id;
  if not found then
    perform core.raise_error('records.certificate_not_found', jsonb_build_object('id', id));
  end if;
  v_manifest := v_certificate.manifest;

  select string_agg(
    format(
      '<tr><td class="n">%s</td><td class="nowrap">%s</td><td>%s</td><td>%s</td><td class="nowrap">%s</td><td>%s</td></tr>',
      e.line, core.html_text(e.document ->> 'number'), core.html_text(e.document ->> 'name'),
      core.html_text(initcap(e.document ->> 'kind')), core.html_text(e.document ->> 'dated_on'),
      core.html_text(coalesce(e.document ->> 'retention_class', '–'))
    ),
    E'\n' order by e.line
  )
  into v_documents
  from jsonb_array_elements(v_manifest -> 'documents') with ordinality as e (document, line);

  select string_agg(
    format(
      '<section class="sign"><p class="words">%s</p><p class="name">%s</p><p>%s</p><p>%s%s</p><p class="hash">%s</p></section>',
      core.html_text(s.signature ->> 'statement'), core.html_text(s.signature ->> 'name'),
      core.html_text(
        coalesce(
          (select string_agg(r.name, ', ') from jsonb_array_elements_text(s.signature -> 'roles') as r (name)), ''
        )
        || coalesce(' · ' || (s.signature ->> 'unit'), '')
      ),
      core.html_text(replace(left(s.signature ->> 'at', 19), 'T', ' ') || ' UTC'),
      case when (s.signature ->> 'has_second_factor')::boolean then ' · password and one-time code' else ' · password' end,
      core.html_text(s.signature ->> 'sha256')
    ),
    E'\n' order by s.line
  )
  into v_signatures
  from jsonb_array_elements(v_manifest -> 'signatures') with ordinality as s (signature, line);

  select string_agg(
    core.html_text((a.step ->> 'by') || ', ' || replace(left(a.step ->> 'at', 16), 'T', ' ') || ' UTC'), '<br>' order by a.line
  )
  into v_approvals
  from jsonb_array_elements(v_manifest -> 'approvals') with ordinality as a (step, line);

  return format(
    $html$<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%1$s</title>
<style>
@page { size: A4; margin: 18mm 16mm 20mm; }
* { box-sizing: border-box; }
body { margin: 0; background: #e9ebee; color: #1c2430; font: 10.5pt/1.45 "Source Serif 4", Georgia, "Times New Roman", serif; }
main { max-width: 210mm; margin: 8mm auto; padding: 18mm 16mm; background: #fff; box-shadow: 0 1px 6px rgb(0 0 0 / 18%%); }
header { display: flex; justify-content: space-between; align-items: flex-end; gap: 8mm; border-bottom: 2.5pt solid #1f3a5f; padding-bottom: 5mm; }
h1 { margin: 0; font-size: 21pt; line-height: 1.1; color: #1f3a5f; font-weight: 600; letter-spacing: 0.2pt; }
.org { margin: 0 0 1.5mm; font: 600 9pt/1.2 "Inter", "Helvetica Neue", Arial, sans-serif; text-transform: uppercase; letter-spacing: 1pt; color: #5a6676; }
.number { text-align: right; font: 10pt/1.35 "Inter", "Helvetica Neue", Arial, sans-serif; white-space: nowrap; }
.number strong { display: block; font-size: 13pt; color: #1f3a5f; }
h2 { margin: 8mm 0 2.5mm; font: 600 10pt/1.2 "Inter", "Helvetica Neue", Arial, sans-serif; text-transform: uppercase; letter-spacing: 0.8pt; color: #1f3a5f; break-after: avoid; }
.lead { margin: 6mm 0 0; font-size: 11.5pt; }
dl { display: grid; grid-template-columns: 38mm 1fr; gap: 1.6mm 6mm; margin: 6mm 0 0; }
dt { color: #5a6676; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%%; border-collapse: collapse; font-size: 9.5pt; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th { text-align: left; font: 600 8pt/1.3 "Inter", "Helvetica Neue", Arial, sans-serif; color: #5a6676; border-bottom: 1pt solid #1f3a5f; padding: 1.2mm 2mm; }
td { vertical-align: top; border-bottom: 0.5pt solid #d5dae1; padding: 1.4mm 2mm; overflow-wrap: anywhere; }
.n { width: 9mm; text-align: right; color: #5a6676; }
.nowrap { white-space: nowrap; }
.signs { display: grid; grid-template-columns: 1fr 1fr; gap: 5mm; }
.sign { border: 0.75pt solid #b9c2ce; border-left: 2.5pt solid #1f3a5f; padding: 3mm 4mm; break-inside: avoid; font-size: 9.5pt; }
.sign p { margin: 0 0 0.8mm; }
.sign .words { font-style: italic; color: #3b4654; margin-bottom: 2mm; }
.sign .name { font-size: 12pt; font-weight: 600; }
.hash { font: 7pt/1.4 "JetBrains Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; color: #5a6676; }
.seal { margin-top: 8mm; border: 0.75pt solid #1f3a5f; padding: 3.5mm 4mm; break-inside: avoid; }
.seal p { margin: 0 0 1mm; font-size: 9.5pt; }
.seal .hash { font-size: 8.5pt; color: #1c2430; }
.bad { color: #a11212; font-weight: 600; }
@media print { body { background: none; } main { margin: 0; padding: 0; max-width: none; box-shadow: none; } }
@media (max-width: 620px) { main { padding: 6mm; margin: 0; } header { display: block; } .number { text-align: left; margin-top: 3mm; } .signs, dl { grid-template-columns: 1fr; } dt { margin-top: 1mm; } .nowrap { white-space: normal; } th, td { padding-left: 1mm; padding-right: 1mm; overflow-wrap: anywhere; } }
</style>
</head>
<body>
<main>
<header>
<div><p class="org">%2$s</p><h1>Certificate of destruction</h1></div>
<p class="number"><strong>%1$s</strong>%3$s</p>
</header>
<p class="lead">Crate <strong>%4$s</strong> and the %5$s document%6$s listed below were destroyed by %7$s%8$s.</p>
<dl>
<dt>Unit</dt><dd>%9$s</dd>
<dt>Last place</dt><dd>%10$s</dd>
<dt>Due since</dt><dd>%11$s</dd>
<dt>Request</dt><dd>%12$s, by %13$s%14$s</dd>
<dt>Approved by</dt><dd>%15$s</dd>
</dl>
<h2>Manifest</h2>
<table>
<thead><tr><th class="n">#</th><th>Number</th><th>Name</th><th>Kind</th><th>Dated</th><th>Class</th></tr></thead>
<tbody>
%16$s
</tbody>
</table>
<h2>Signed electronically</h2>
<div class="signs">
%17$s
</div>
<div class="seal">
<p>SHA-256 of this certificate%18$s</p>
<p class="hash">%19$s</p>
</div>
</main>
</body>
</html>
$html$,
    core.html_text(v_certificate.certificate_no),
    core.html_text(v_manifest ->> 'organization'),
    core.html_text(to_char(v_certificate.executed_at at time zone 'UTC', 'FMDD Month YYYY, HH24:MI "UTC"')),
    core.html_text(v_certificate.barcode),
    v_certificate.document_count,
    case v_certificate.document_count when 1 then '' else 's' end,
    case v_certificate.method when 'SHRED' then 'shredding' when 'INCINERATE' then 'incineration' else 'pulping' end,
    core.html_text(', carried out by ' || v_certificate.vendor),
    core.html_text(v_manifest #>> '{crate,unit}'),
    core.html_text(v_manifest #>> '{crate,place}'),
    core.html_text(v_manifest #>> '{crate,destruction_on}'),
    core.html_text(v_manifest #>> '{request,number}'),
    core.html_text(v_manifest #>> '{request,requested_by}'),
    core.html_text(': ' || (v_manifest #>> '{request,purpose}')),
    coalesce(v_approvals, '–'),
    coalesce(v_documents, '<tr><td colspan="6">The crate was empty.</td></tr>'),
    v_signatures,
    case
      when v_certificate.is_intact then ''
      else ' <span class="bad">– does not agree with what this page says: the certificate was altered</span>'
    end,
    core.html_text(v_certificate.sha256)
  );
end
$$;

comment on function api.records_certificate_page(uuid) is
  'A certificate of destruction as a page to print
GET with Accept: text/html. A4, with the manifest, the signatures and the hash, which is computed anew. Seen by who sees
/records_certificates. Refused: 404 records.certificate_not_found.';

grant execute on function api.records_certificate_page(uuid) to member, superadmin, migrator;
