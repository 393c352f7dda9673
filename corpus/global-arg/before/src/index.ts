console.log("mailer");
