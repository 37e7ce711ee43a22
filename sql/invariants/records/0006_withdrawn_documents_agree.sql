-- title: withdrawals are out as long as one of their documents is, and documents lie in one crate
-- why: what is out is asked back; what is back is not
select
  r.org_id,
  r.id,
  r.request_no,
  r.status,
  r.document_count,
  count(d.id) as listed,
  count(d.id) filter (where d.issued_at is not null and d.returned_at is null and d.missing_at is null) as out
from records.request as r
left join records.request_document as d
  on d.org_id = r.org_id
  and d.request_id = r.id
where r.kind = 'WITHDRAWAL'
group by r.org_id, r.id
having r.document_count <> count(d.id)
  or (
    r.status = 'RETURNED'
    and count(d.id) filter (where d.issued_at is null or (d.returned_at is null and d.missing_at is null)) > 0
  )
  or (
    r.status in ('ISSUED', 'PARTIALLY_RETURNED')
    and count(d.id) filter (where d.issued_at is not null and d.returned_at is null and d.missing_at is null) = 0
    and not (r.is_full and r.status = 'ISSUED')
  )
  or (
    r.status not in ('ISSUED', 'PARTIALLY_RETURNED', 'RETURNED')
    and count(d.id) filter (where d.issued_at is not null) > 0
  );
