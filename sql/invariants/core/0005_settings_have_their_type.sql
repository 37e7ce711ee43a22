-- title: every setting has the JSON type of its definition
-- why: a later version may define a setting anew
select
  s.org_id,
  s.code,
  d.value_type,
  jsonb_typeof(s.value) as type_of_value
from core.setting as s
inner join core.setting_definition as d on d.code = s.code
where jsonb_typeof(s.value) <> d.value_type;
