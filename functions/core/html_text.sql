-- Text within a page.

create or replace function core.html_text(value text)
returns text
language sql
immutable
parallel safe
return replace(
  replace(replace(replace(replace(coalesce(html_text.value, ''), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'),
  '''', '&#39;'
);

comment on function core.html_text(text) is 'Text as it stands in HTML, between tags or in a quoted attribute; null is empty';

grant execute on function core.html_text(text) to partner, member, superadmin, migrator;
