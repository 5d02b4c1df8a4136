import shop


def test_paying_is_told(push, pushed):
    shop.pay({"id": 7}, push)
    assert pushed.wait_for("order-paid", "orders").data == {"id": 7}


def test_nothing_else_is_told(push, pushed):
    shop.pay({"id": 7}, push)
    pushed.assert_pushed("order-paid", times=1)
    pushed.assert_not_pushed("order-cancelled")


def test_a_browser_gets_it(push, pushery_server, pushery_app):
    with pushery_server.subscribe("orders", app=pushery_app) as browser:
        shop.pay({"id": 7}, push)
        assert browser.receive().data == {"id": 7}


def test_a_push_to_tags(pushery_server, pushery_app, pushed):
    with pushery_server.connect("user-7", pushery_app) as phone:
        pushery_server.push("hello", pattern="^user-7$", app=pushery_app)
        assert phone.receive() == "hello"
    pushed.assert_pushed(text="hello", tag="user-7")
