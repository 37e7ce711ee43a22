"""Files in and out: rows of CSV and XLSX files into the database, queries into CSV, XLSX and Parquet files."""
