System.Console.WriteLine("billing");
