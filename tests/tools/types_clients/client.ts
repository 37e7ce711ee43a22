// A small client of the API. The test compiles it against the generated types, as it is and with columns misspelt.
import { PostgrestClient } from '@supabase/postgrest-js'
import type { Database } from './database'

type Document = Database['api']['Views']['wms_documents']['Row']

export async function shipped(url: string, token: string): Promise<string[]> {
  const erp = new PostgrestClient<Database, { PostgrestVersion: '12' }, 'api'>(`${url}/api`, {
    schema: 'api',
    headers: { Authorization: `Bearer ${token}` },
  })

  const documents = await erp
    .from('wms_documents')
    .select('number, total, status, partners(name)')
    .eq('status', 'POSTED')
    .order('id', { ascending: false })
  const names: string[] = (documents.data ?? []).map((row) => `${row.number ?? ''} ${row.partners?.name ?? ''}`)

  const change: Database['api']['Views']['partners']['Update'] = { credit_limit: 1000, currency: 'USD' }
  await erp.from('partners').update(change).eq('code', 'NORDKAP')
  await erp.from('items').insert({ sku: 'A-1', name: 'Bale', unit_code: 'KGM', class: 'COMMODITY' })

  const draft = await erp.rpc('wms_document_create', {
    document_type: 'TRANSFER',
    lines: [{ item_id: 'a', quantity: 1 }],
  })
  const made: Document | null = draft.data
  const stock = await erp.rpc('wms_stock_as_of', { at: '2026-01-01T00:00:00Z' })
  const total: number = (stock.data ?? []).reduce((sum, row) => sum + (row.quantity ?? 0), 0)
  return [...names, made?.id ?? '', String(total)]
}
