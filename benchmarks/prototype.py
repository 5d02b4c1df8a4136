"""A throwaway proof of how little stands between a push and the sockets: Pusher handshake, subscribe, signed publish.

Run: python prototype.py PORT (uvloop, httptools, orjson). Key app-key, secret app-secret, id app-id. Not a model of
style and not to be copied: it checks nothing, limits nothing and forgives nothing. It is here to be measured against.

What one turn of the loop brings for a channel is joined and written once per socket (`flush`). uvloop up to 0.22 did
that by itself; 0.23 sends every write at once, and without `flush` the prototype would lose four fifths of its speed.
"""
import asyncio, base64, gc, hashlib, hmac, sys, itertools
import httptools, orjson, uvloop
GUID=b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
channels={}
ids=itertools.count(1)
SECRET=b"app-secret"
def frame(p):
    n=len(p)
    if n<126: return bytes((0x81,n))+p
    if n<65536: return b"\x81\x7e"+n.to_bytes(2,'big')+p
    return b"\x81\x7f"+n.to_bytes(8,'big')+p
OK=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
pending={}
def flush():
    global pending
    todo,pending=pending,{}
    for c,fs in todo.items():
        d=fs[0] if len(fs)==1 else b"".join(fs)
        for w in channels[c].values(): w(d)
class Socket:
    __slots__=('t','write','buf','chans','id')
    def __init__(s,t): s.t=t; s.write=t.write; s.buf=b''; s.chans=None
    def data_received(s,d):
        if s.buf: d=s.buf+d; s.buf=b''
        while True:
            n=len(d)
            if n<6: s.buf=d; return
            l=d[1]&127; o=2
            if l==126: l=int.from_bytes(d[2:4],'big'); o=4
            elif l==127: l=int.from_bytes(d[2:10],'big'); o=10
            if n<o+4+l: s.buf=d; return
            m=d[o:o+4]; p=d[o+4:o+4+l]
            if l: p=(int.from_bytes(p,'big')^int.from_bytes((m*(l//4+1))[:l],'big')).to_bytes(l,'big')
            op=d[0]&15
            d=d[o+4+l:]
            if op==1: s.message(orjson.loads(p))
            elif op==9: s.write(b"\x8a"+bytes((len(p),))+p)
            elif op==8: s.t.close()
            if not d: return
    def message(s,m):
        e=m['event']
        if e=='pusher:subscribe':
            c=m['data']['channel']
            a=channels.get(c)
            if a is None: a=channels[c]={}
            a[s]=s.write
            s.chans=(c,)
            s.write(frame(b'{"event":"pusher_internal:subscription_succeeded","channel":"'+c.encode()+b'","data":"{}"}'))
    def connection_lost(s,e):
        for c in s.chans or ():
            channels[c].pop(s,None)
    def eof_received(s): pass
    def pause_writing(s): pass
    def resume_writing(s): pass
class Http:
    __slots__=('t','p','u','h','b','k')
    def connection_made(s,t): s.t=t; s.p=httptools.HttpRequestParser(s)
    def data_received(s,d):
        try: s.p.feed_data(d)
        except httptools.HttpParserUpgrade: s.upgrade()
    def on_message_begin(s): s.b=b''
    def on_url(s,u): s.u=u
    def on_header(s,k,v):
        if k==b'Sec-WebSocket-Key' or k.lower()==b'sec-websocket-key': s.k=v
    def on_body(s,b): s.b+=b
    def on_message_complete(s):
        if s.p.should_upgrade(): return
        body=s.b
        path,_,q=s.u.partition(b'?')
        qs=dict(x.split(b'=',1) for x in q.split(b'&'))
        sig=qs.pop(b'auth_signature')
        if hashlib.md5(body).hexdigest().encode()!=qs[b'body_md5']: return
        want=hmac.digest(SECRET,b"POST\n"+path+b"\n"+b"&".join(k+b'='+v for k,v in sorted(qs.items())),'sha256').hex().encode()
        if not hmac.compare_digest(want,sig): s.t.write(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"); return
        m=orjson.loads(body)
        c=m.get('channel') or m['channels'][0]
        a=channels.get(c)
        if a:
            f=frame(orjson.dumps({"event":m['name'],"channel":c,"data":m['data']}))
            p=pending.get(c)
            if p is None:
                if not pending: asyncio.get_running_loop().call_soon(flush)
                p=pending[c]=[]
            p.append(f)
        s.t.write(OK)
    def upgrade(s):
        acc=base64.b64encode(hashlib.sha1(s.k+GUID).digest())
        t=s.t; sock=Socket(t); t.set_protocol(sock)
        t.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acc+b"\r\n\r\n"+frame(b'{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.%d\\",\\"activity_timeout\\":120}"}'%next(ids)))
        s.p=None
    def connection_lost(s,e): s.p=None
    def eof_received(s): pass
    def pause_writing(s): pass
    def resume_writing(s): pass
async def main():
    s=await asyncio.get_running_loop().create_server(Http,'127.0.0.1',int(sys.argv[1]),backlog=4096)
    gc.freeze(); gc.set_threshold(50000,50,50)
    await s.serve_forever()
uvloop.run(main())
