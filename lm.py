from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    b=p.chromium.launch(executable_path="/usr/bin/chromium",args=["--no-sandbox","--disable-gpu"]); pg=b.new_page(); pg.on("console",lambda m: print(m.type,m.text)); pg.on("request",lambda r: print(r.url)); pg.on("pageerror",lambda e: print(e))
    pg.goto("http://127.0.0.1:8765/"); pg.get_by_text("Load more").click(); pg.wait_for_timeout(800); print(pg.locator(".row").count()); print(pg.content()[:500]); 
