-- title: every destroyed crate and document is on a certificate, and what a certificate lists is destroyed
-- why: destruction without proof, or proof of what did not happen
select
  c.org_id,
  c.id,
  'crate without certificate' as problem
from records.crate as c
where c.status = 'DESTROYED'
  and not exists (
    select from records.destruction_certificate as k where k.org_id = c.org_id and k.crate_id = c.id
  )
union all
select
  k.org_id,
  k.crate_id as id,
  'certificate of a crate that is not destroyed' as problem
from records.destruction_certificate as k
inner join records.crate as c
  on c.org_id = k.org_id
  and c.id = k.crate_id
where c.status <> 'DESTROYED'
union all
select
  d.org_id,
  d.id,
  'document without certificate' as problem
from records.document as d
where d.status = 'DESTROYED'
  and not exists (
    select
    from records.crate_document as e
    inner join records.destruction_certificate as k
      on k.org_id = e.org_id
      and k.crate_id = e.crate_id
    where e.org_id = d.org_id
      and e.document_id = d.id
      and e.removed_at is null
  )
union all
select
  e.org_id,
  e.document_id as id,
  'document of a destroyed crate that is not destroyed' as problem
from records.crate as c
inner join records.crate_document as e
  on e.org_id = c.org_id
  and e.crate_id = c.id
  and e.removed_at is null
inner join records.document as d
  on d.org_id = e.org_id
  and d.id = e.document_id
where c.status = 'DESTROYED'
  and d.status <> 'DESTROYED';
