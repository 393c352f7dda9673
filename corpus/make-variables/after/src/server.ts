console.log("checkout");
